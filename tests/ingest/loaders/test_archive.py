"""The members of an archive are read as the files of a folder are; what is not read is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping

import pytest

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders import LoadOptions, load_document
from ingest.types import Document


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: Mapping[str, bytes], *others: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in others:
            archive.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def located(document: Document, quote: str) -> str | None:
    start = document.text.index(quote)
    return document.places_between(start, start + len(quote))[0].location


MEMBERS = {
    "notes/tides.md": b"# Tides\n\nHigh water\ncomes at noon.\n",
    "boats.txt": b"Two boats lie in the dock.\n",
    "notes/empty.txt": b"\n",
    ".hidden.txt": b"not this",
    "__MACOSX/boats.txt": b"nor this",
    "notes/.git/config": b"nor that",
}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zipped(MEMBERS), id="zip"),
        pytest.param(zipped(MEMBERS, zipfile.ZIP_LZMA), id="zip of lzma"),
        pytest.param(tarred(MEMBERS), id="tar"),
        pytest.param(gzip.compress(tarred(MEMBERS)), id="tar.gz"),
        pytest.param(bz2.compress(tarred(MEMBERS)), id="tar.bz2"),
        pytest.param(lzma.compress(tarred(MEMBERS)), id="tar.xz"),
    ],
)
def test_an_archive_is_read_like_a_folder(content: bytes) -> None:
    document = load_document("box", content)
    assert document.text == (
        "Two boats lie in the dock.\n\n\n# Tides\n\nHigh water\ncomes at noon.\n"
    )
    assert located(document, "boats") == "boats.txt, line 1"
    assert located(document, "comes at") == "notes/tides.md, line 4"
    assert [(one.level, one.title) for one in document.headings] == [
        (1, "boats.txt"),
        (1, "notes/tides.md"),
        (2, "Tides"),
    ]
    assert (document.problems, document.unread) == ((), 0)


def test_links_and_devices_of_an_archive_are_left_out() -> None:
    others = []
    for kind, name in (
        (tarfile.SYMTYPE, "link.txt"),
        (tarfile.LNKTYPE, "hard.txt"),
        (tarfile.CHRTYPE, "null.txt"),
        (tarfile.FIFOTYPE, "pipe.txt"),
    ):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        others.append(info)
    assert load_document("a.tar", tarred({"a.txt": b"only"}, *others)).text == "only"

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.txt", "only")
    assert load_document("a.zip", buffer.getvalue()).text == "only"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/crew.txt", "etc/crew.txt"),
        ("/srv/crew.txt", "srv/crew.txt"),
        ("C:\\docs\\crew.txt", "docs/crew.txt"),
        ("crew\nfailed: x\x1b[2J.txt", "crew failed: x\ufffd[2J.txt"),
        ("tripulação.txt", "tripulação.txt"),
    ],
)
def test_the_name_of_a_member_is_safe_to_show(name: str, shown: str) -> None:
    for content in (zipped({name: b"Ana\n"}), tarred({name: b"Ana\n"})):
        assert located(load_document("a", content), "Ana") == f"{shown}, line 1"


@pytest.mark.parametrize("encoding", ["utf-8", "cp850"])
def test_a_name_without_the_flag_for_its_encoding_is_read(encoding: str) -> None:
    name = "ção.txt".encode(encoding)
    content = zipped({"x" * len(name): b"Ana\n"}).replace(b"x" * len(name), name)
    assert located(load_document("a.zip", content), "Ana") == "ção.txt, line 1"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_both_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "first")
        archive.writestr("a.txt", "second")
    assert load_document("a.zip", buffer.getvalue()).text == "first\n\nsecond"


def test_what_an_archive_misses_is_said_once() -> None:
    broken = {f"{n}.pdf": b"no pdf" for n in range(9)}
    programs = {"a.exe": b"MZ\0\0", "b.mp4": b"\0\0\0\x18ftypmp42", "a.txt": b"text"}
    document = load_document("a.zip", zipped(broken | programs))
    assert document.text == "text"
    assert document.problems == (
        "9 members, such as 0.pdf: is damaged or not really pdf",
        "2 members of kinds that are not read: a.exe, b.mp4",
    )
    assert 0.5 < document.unread < 1


def test_an_archive_of_nothing_that_is_read_is_ignored_or_an_error() -> None:
    with pytest.raises(UnsupportedError, match=r"holds nothing that is read: 1 member .*: a\.exe"):
        load_document("a.zip", zipped({"a.exe": b"MZ\0\0"}))
    with pytest.raises(LoadError, match="holds no files with text"):
        load_document("a.zip", zipped({".hidden": b"x"}))
    with pytest.raises(LoadError, match=r"^b\.pdf: is damaged"):
        load_document("a.zip", zipped({"b.pdf": b"x"}))


def test_an_archive_in_an_archive_is_read_to_a_depth() -> None:
    content = b"The innermost.\n"
    for name in ("a.txt", "b.zip", "c.tar", "d.zip"):
        content = tarred({name: content}) if name == "b.zip" else zipped({name: content})
    document = load_document("e.zip", content)
    assert located(document, "innermost") == "d.zip, c.tar, b.zip, a.txt, line 1"
    with pytest.raises(LoadError, match=r"^d\.zip: c\.tar: b\.zip: lies too deep"):
        load_document("e.zip", content, LoadOptions(depth=3))


def test_an_archive_is_unpacked_to_a_limit() -> None:
    members = {f"{n}.txt": b"%d" % n * 40_000 for n in range(4)}
    options = LoadOptions(unpacked_bytes=100_000)
    document = load_document("a.zip", zipped(members), options)
    assert [one.title for one in document.headings] == ["0.txt", "1.txt"]
    assert document.problems == tuple(f"{n}.txt: more than 0 MB would be unpacked" for n in (2, 3))
    document = load_document("a.tar.gz", gzip.compress(tarred(members)), options)
    assert [one.title for one in document.headings] == ["0.txt", "1.txt"]
    assert document.problems[-1].startswith("other members were not read: more than")


def test_an_archive_is_read_until_the_time_is_over() -> None:
    for content in (zipped(MEMBERS), tarred(MEMBERS)):
        with pytest.raises(LoadError, match="other members were not read: the time for this file"):
            load_document("a", content, LoadOptions(deadline=0))


def test_a_tar_that_is_cut_keeps_what_came_before() -> None:
    whole = tarred({"a.txt": b"first", "b.txt": b"second" * 200, "c.txt": b"third"})
    lied = bytearray(whole)
    lied[1024 + 124 : 1024 + 135] = b"77777777777"
    for content in (whole[:1600], gzip.compress(whole[:1600]), whole[:1024] + b"x" * 900):
        document = load_document("a.tar", content)
        assert document.text == "first"
        assert document.problems == (
            "other members were not read: the archive is damaged or cut off",
        )
    lied[1024 + 148 : 1024 + 156] = b"%06o\0 " % tarfile.calc_chksums(lied[1024:1536])[0]
    document = load_document("a.tar", bytes(lied))
    assert document.text == "first"
    assert "200 MB" in document.problems[0]


def test_a_compressed_file_is_read_under_the_name_that_it_keeps() -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile("/var/log/pumps.md", "w", fileobj=buffer) as file:
        file.write(b"# Pumps\n\nAll run.\n")
    document = load_document("a.gz", buffer.getvalue())
    assert located(document, "All") == "pumps.md, line 3"
    document = load_document("a.bz2", bz2.compress(b"All run.\n"))
    assert located(document, "All") == "line 1"
    with pytest.raises(LoadError, match="cut off"):
        load_document("a.gz", gzip.compress(b"All run.\n" * 99)[:-9])
    with pytest.raises(LoadError, match="unpacks to more than 1 MB"):
        load_document("a.xz", lzma.compress(bytes(2_000_000)), LoadOptions(unpacked_bytes=10**6))


def encrypted(content: bytes, password: bytes) -> bytes:
    """Return a stored archive of ``a.txt`` under the classic encryption of ZIP."""
    table = [0] * 256
    for n in range(256):
        value = n
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table[n] = value
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = (keys[0] >> 8) ^ table[(keys[0] ^ byte) & 255]
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = (keys[2] >> 8) ^ table[(keys[2] ^ (keys[1] >> 24)) & 255]

    def encrypt(byte: int) -> int:
        mask = keys[2] | 2
        update(byte)
        return byte ^ (((mask * (mask ^ 1)) >> 8) & 255)

    for byte in password:
        update(byte)
    check = zlib.crc32(content)
    sealed = bytes(encrypt(byte) for byte in bytes(11) + bytes((check >> 24,)) + content)
    archive = bytearray(zipped({"a.txt": b"?" * len(sealed)}, zipfile.ZIP_STORED))
    at = archive.index(b"?" * len(sealed))
    archive[at : at + len(sealed)] = sealed
    for header, flags in ((archive.index(b"PK\3\4"), 6), (archive.index(b"PK\1\2"), 8)):
        archive[header + flags] |= 1
        archive[header + flags + 8 : header + flags + 12] = check.to_bytes(4, "little")
        size = header + flags + 16
        archive[size : size + 4] = len(content).to_bytes(4, "little")
    return bytes(archive)


def test_an_encrypted_member_is_tried_with_each_password() -> None:
    content = encrypted(b"The safe is behind the clock.", "maré".encode())
    options = LoadOptions(passwords=("wrong", "maré"))
    assert load_document("a.zip", content, options).text == "The safe is behind the clock."
    for passwords in ((), ("wrong", "other")):
        with pytest.raises(LoadError, match=r"^a\.txt: is encrypted: add its password to RAG_PASS"):
            load_document("a.zip", content, LoadOptions(passwords=passwords))


def test_a_member_encrypted_with_aes_says_so() -> None:
    content = bytearray(encrypted(b"text", b"secret"))
    for at in (content.index(b"PK\3\4") + 8, content.index(b"PK\1\2") + 10):
        content[at] = 99
    with pytest.raises(LoadError, match=r"^a\.txt: is encrypted with AES, which is not read$"):
        load_document("a.zip", bytes(content), LoadOptions(passwords=("secret",)))
