"""Parts of zip files are read within limits, whatever their headers say."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from ingest.errors import LoadError
from ingest.loaders import load_document
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.ranges import numbered
from ingest.loaders.zip_parts import ZipParts, parse_xml


def archive(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_sizes_add_up_over_the_parts_that_are_read() -> None:
    parts = ZipParts(archive(a=b"x" * 600, b=b"x" * 600), LoadOptions(unpacked_bytes=1000))
    assert parts.read("a") == b"x" * 600
    with pytest.raises(LoadError, match="too much for a document"):
        parts.read("b")


@pytest.mark.parametrize("stated", [10, 0xFFFFFFF0])
def test_a_header_that_lies_about_a_size_gains_nothing(stated: int) -> None:
    content = bytearray(archive(a=b"x" * 5_000_000))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", stated)
    parts = ZipParts(bytes(content), LoadOptions(unpacked_bytes=1_000_000))
    with pytest.raises((LoadError, zipfile.BadZipFile)):
        parts.read("a")


def test_an_encrypted_part_says_so() -> None:
    content = bytearray(archive(a=b"x"))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(LoadError, match="is encrypted"):
        ZipParts(bytes(content), LoadOptions()).read("a")


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.loaders.zip_parts._MOST_PARTS", 2)
    ZipParts(archive(a=b"", b=b""), LoadOptions())
    with pytest.raises(LoadError, match="has 3 parts"):
        ZipParts(archive(a=b"", b=b"", c=b""), LoadOptions())


def test_xml_nested_too_deeply_is_damage() -> None:
    deep = b"<w>" * 100_000 + b"</w>" * 100_000
    with pytest.raises(LoadError, match="is damaged or not really docx"):
        load_document("a.docx", archive(**{"word/document.xml": deep}))


@pytest.mark.parametrize(
    "entity", ['"text"', 'SYSTEM "file:///etc/hostname"', 'SYSTEM "http://127.0.0.1:9/x"']
)
def test_declared_entities_are_refused(entity: str) -> None:
    with pytest.raises(LoadError, match="declares XML entities"):
        parse_xml(f"<!DOCTYPE d [<!ENTITY e {entity}>]><d>&e;</d>".encode())


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([4], "page 4"),
        ([4, 5], "pages 4–5"),
        ([1, 3, 4, 9], "pages 1, 3–4, 9"),
        (range(1, 100, 2), "pages 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, …"),
    ],
)
def test_numbers_are_grouped(numbers: list[int], words: str) -> None:
    assert numbered("page", numbers) == words
