"""Files made to exhaust memory, time or the stack, or to read others, end in a plain error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import resource
import tarfile
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
import xlsxwriter

from ingest.errors import LoadError
from ingest.loaders import LoadOptions, load_document

LIMIT = LoadOptions(unpacked_bytes=2_000_000)


def zipped(name: str, content: bytes, copies: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for n in range(copies):
            archive.writestr(f"{n}{name}", content)
    return buffer.getvalue()


def peak_growth(work: Callable[[], object]) -> int:
    """Return by how many bytes the peak memory of this process rose."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def refusal(name: str, content: bytes, options: LoadOptions = LIMIT) -> str:
    with pytest.raises(LoadError) as caught:
        load_document(name, content, options)
    reason = str(caught.value)
    assert len(reason) < 2_000
    assert "\n" not in reason
    return reason


def test_a_flat_bomb_unpacks_to_the_limit_only() -> None:
    bomb = zipped(".txt", bytes(3_000_000), copies=12)
    assert "12 members, such as 0.txt: more than 2 MB would be unpacked" in refusal("a.zip", bomb)


def test_a_bomb_that_lies_about_its_size_is_damaged() -> None:
    bomb = bytearray(zipped(".txt", bytes(3_000_000)))
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = bomb.index(mark) + at
        bomb[start : start + 4] = (1000).to_bytes(4, "little")
    assert refusal("a.zip", bytes(bomb)) == "0.txt: is damaged"


def test_a_nested_bomb_ends_at_the_depth() -> None:
    content = b"deep " * 1000
    for _ in range(9):
        content = zipped(".zip", content, copies=3)
    assert "lies too deep in other files" in refusal("a.zip", content)


def test_overlapping_members_share_the_limit() -> None:
    """Many entries of the directory name the same bytes, as in a bomb without nesting."""
    archive = zipped(".bin", bytes(600_000))
    start = archive.index(b"PK\1\2")
    end = archive.index(b"PK\5\6")
    count = 300
    tail = bytearray(archive[end:])
    tail[8:12] = count.to_bytes(2, "little") * 2
    tail[12:16] = (count * (end - start)).to_bytes(4, "little")
    bomb = archive[:start] + archive[start:end] * count + bytes(tail)
    reason = refusal("a.zip", bomb)
    assert "297 members, such as 0.bin: more than 2 MB would be unpacked" in reason


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_stream_of_two_gigabytes_is_read_to_the_limit(pack: Callable[[bytes], bytes]) -> None:
    content = pack(bytes(1 << 24)) * 128
    assert peak_growth(lambda: refusal("a.tar.gz", content)) < 50_000_000
    assert refusal("a", content) == "unpacks to more than 2 MB"


def test_a_tar_of_one_huge_member_is_unpacked_to_the_limit() -> None:
    info = tarfile.TarInfo("huge.txt")
    info.size = 8 << 30
    content = gzip.compress(info.tobuf() + bytes(1 << 24))
    reason = refusal("a.tgz", content)
    assert "huge.txt: more than 2 MB would be unpacked" in reason
    assert "other members were not read: more than 2 MB" in reason


def test_a_tar_with_a_device_and_a_link_out_reads_neither(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "s.txt"), (tarfile.LNKTYPE, "h.txt")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        info = tarfile.TarInfo("zero")
        info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 5
        archive.addfile(info)
    assert refusal("a.tar", buffer.getvalue()) == "holds no files with text"


def test_a_sparse_member_of_a_tar_is_no_way_round_the_limit() -> None:
    info = tarfile.TarInfo("sparse.txt")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": "0,1",
        "GNU.sparse.name": "sparse.txt",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    assert "more than 2 MB" in refusal("a.tar", buffer.getvalue())


def test_messages_and_archives_in_each_other_end_at_the_depth() -> None:
    content = b"the innermost text"
    for n in range(40):
        message = EmailMessage()
        message["Subject"] = f"level {n}"
        message["Message-ID"] = "<a@b.example>"
        message.add_attachment(content, "application", "octet-stream", filename="m.zip")
        content = zipped(".eml", message.as_bytes()) if n % 2 else message.as_bytes()
    document = load_document("a.zip", content, LIMIT)
    assert "lies too deep in other files" in document.problems[0]
    assert "level 36" not in document.text


@pytest.mark.parametrize("value", [b"a;", b"=?utf-8?q?", b'"', b"<a@b>,", b"\xff "])
def test_a_header_without_end_is_cut_or_refused(value: bytes) -> None:
    for name in (b"Subject", b"To"):
        content = name + b": " + value * (800_000 // len(value)) + b"\n\nThe text.\n"
        document = load_document("a.eml", content, LIMIT)
        assert document.text.endswith("The text.")
        assert len(document.text) < 11_000
    for name in (b"Content-Type", b"Content-Disposition"):
        content = name + b": " + value * (800_000 // len(value)) + b"\n\nThe text.\n"
        assert refusal("a.eml", content) == "has a header of more than 100,000 characters"


LAUGHS = b"<!DOCTYPE x [<!ENTITY a0 'ha'>" + b"".join(
    b"<!ENTITY a%d '%s'>" % (n + 1, b"&a%d;" % n * 10) for n in range(12)
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a12 SYSTEM "file://%s">'


BODIES = {
    "html": "<html><p>&a12; x</p></html>",
    "xml": "<x>&a12; x</x>",
    "svg": "<svg><text>&a12; x</text></svg>",
    "docx": "<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'>"
    "<w:body><w:p><w:r><w:t>&a12; x</w:t></w:r></w:p></w:body></w:document>",
    "odt": "<o:document-content xmlns:o='urn:oasis:names:tc:opendocument:xmlns:office:1.0' "
    "xmlns:t='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><o:body><o:text><t:p>&a12; x</t:p>"
    "</o:text></o:body></o:document-content>",
    "xlsx": "<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>&a12; x"
    "</t></si></sst>",
}


@pytest.mark.parametrize("kind", BODIES)
def test_entities_are_neither_expanded_nor_fetched(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    for declared in (LAUGHS, OUTSIDE % str(secret).encode()):
        page = declared + b"]>" + BODIES[kind].encode()
        pack = {"docx": word, "odt": writer, "xlsx": workbook}.get(kind, bytes)
        try:
            text = load_document(f"a.{kind}", pack(page), LIMIT).text
        except LoadError as error:
            text = str(error)
        assert "the secret" not in text
        assert len(text) < 2_000


def writer(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content)
    return buffer.getvalue()


def workbook(strings: bytes) -> bytes:
    buffer, made = io.BytesIO(), io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    book.add_worksheet().write(0, 0, "text")
    book.close()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, strings if name == "xl/sharedStrings.xml" else old.read(name))
    return made.getvalue()


def word(document: bytes) -> bytes:
    buffer = io.BytesIO()
    kinds = "http://schemas.openxmlformats.org/package/2006/content-types"
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f"<Types xmlns='{kinds}'><Default Extension='rels' ContentType='application/vnd."
            f"openxmlformats-package.relationships+xml'/><Override PartName='/word/document.xml' "
            f"ContentType='{main}'/></Types>",
        )
        archive.writestr(
            "_rels/.rels",
            f"<Relationships xmlns='{links}'><Relationship Id='a' Type='{office}' "
            "Target='word/document.xml'/></Relationships>",
        )
        archive.writestr("word/document.xml", document)
    return buffer.getvalue()
