"""The content of a file tells its kind, and its name where the content does not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from compound_files import compound_file

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders import load_document
from ingest.loaders.detection import detect
from ingest.loaders.file_names import kind_of_name


def without_content(value: object) -> str | None:
    """Return the part of a test's name; the bytes of archives hold the time."""
    return "content" if isinstance(value, bytes) else None


def zipped(**parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return buffer.getvalue()


def tarred(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def compound(*streams: str) -> bytes:
    return compound_file({name: b"x" for name in streams})


MESSAGE = b"Received: from a by b\nFrom: a@b.pt\nSubject: Quays\nMessage-ID: <1@b>\n\nThe tide.\n"
NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
ODF = "application/vnd.oasis.opendocument."


@pytest.mark.parametrize(
    ("source", "content", "kind"),
    [
        ("minutes.txt", b"%PDF-1.7\n", "pdf"),
        ("minutes", b"printer job\r\n%PDF-1.4\n", "pdf"),
        ("about.md", b"# The header %PDF-1.4", "markdown"),
        ("a.pdf", zipped(word__document_xml="<x/>"), "docx"),
        ("a", zipped(ppt__presentation_xml="<x/>"), "pptx"),
        ("a.zip", zipped(xl__workbook_xml="<x/>"), "xlsx"),
        ("a.xlsx", zipped(xl__workbook_bin=""), "xlsb"),
        ("a.zip", zipped(mimetype=ODF + "text-template"), "odt"),
        ("a.zip", zipped(mimetype=ODF + "presentation"), "odp"),
        ("a.zip", zipped(mimetype=ODF + "spreadsheet"), "ods"),
        ("a.zip", zipped(mimetype="application/epub+zip\n"), "epub"),
        ("a.jar", zipped(Main_class=""), "zip"),
        ("word.txt", zipped(notes__word__document_xml=""), "zip"),
        ("a.docx", zipped(other_xml=""), "docx"),
        ("a.odt", b"PK\3\4 cut", "odt"),
        ("a.docx", compound("WordDocument"), "doc"),
        ("a", compound("Workbook", "Other"), "xls"),
        ("a.txt", compound("Other", "Book"), "xls"),
        ("a", compound("PowerPoint Document"), "ppt"),
        ("a.doc", compound("__properties_version1.0"), "msg"),
        ("a.doc", rb"{\rtf1 x}", "rtf"),
        ("a.doc", b"<html><p>x", "html"),
        ("a.doc", b"Only words\n", "text"),
        ("a.xls", b"City\tTons\nFaro\t3\n", "csv"),
        ("a.txt", gzip.compress(b"x"), "tar"),
        ("a", bz2.compress(b"x"), "tar"),
        ("a", lzma.compress(b"x"), "tar"),
        ("a.md", tarred("x.txt"), "tar"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n\0\0\0\x0d", "image"),
        ("a", b"II*\0\x08\0\0\0", "image"),
        ("BM.txt", b"BM of the engine room", "text"),
        ("a.txt", b"\xef\xbb\xbf <!DOCTYPE html>\n<p>x", "html"),
        ("a.txt", "<html><p>é".encode("utf-16"), "html"),
        ("a.txt", b"A page begins with <html>.", "text"),
        ("a.md", b"<!doctype html>\n# x", "markdown"),
        ("a.php", b"<!doctype html>\n<?php ?>", "code"),
        ("a.txt", b'<?xml version="1.0"?><x/>', "xml"),
        ("a.xml", b'<?xml version="1.0"?>\n<!-- x -->\n<html/>', "html"),
        ("a.txt", MESSAGE, "eml"),
        ("a.html", MESSAGE, "html"),
        ("memo.txt", b"From: Ana\nTo: Rui\nDate: today\nSubject: Quays\n\nThe tide.\n", "text"),
        ("Inbox", b"From - Mon Nov 02 23:13:28 2026\n" + MESSAGE, "mbox"),
        ("a", b"From here on, 10:30 of 2026 counts.\n", "text"),
        ("a.json", NOTEBOOK, "ipynb"),
        ("a", NOTEBOOK, "ipynb"),
        ("a.json", b'{"cells": 3}', "json"),
        ("run", b"#!/bin/sh\necho\n", "code"),
        (".gitignore", b"*.o\n", "text"),
        ("notes.2024-05", "maré".encode(), "text"),
    ],
    ids=without_content,
)
def test_the_content_decides_before_the_name(source: str, content: bytes, kind: str) -> None:
    assert detect(source, content) == kind


@pytest.mark.parametrize(
    ("source", "content", "what"),
    [
        ("report.pdf", b"MZ\x90\0\3\0", "an executable"),
        ("a", b"\x7fELF\2\1\1\0", "an executable"),
        ("a.db", b"SQLite format 3\0", "an SQLite database"),
        ("a.txt", b"ID3\3\0\0\0", "an audio file"),
        ("a", b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        ("a", b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC or AVIF image"),
        ("a.rar", b"Rar!\x1a\x07\1\0", "a RAR archive"),
        ("a.ttf", b"\0\1\0\0\0\x0c\0\x80", "a font"),
        ("a.pages", zipped(Index__Document_iwa=""), "an iWork or Visio document"),
        ("a.odg", zipped(mimetype=ODF + "graphics"), "an OpenDocument file of a kind"),
        ("a.pub", compound("Quill"), "an old Office file of a kind"),
        ("a.dat", bytes(range(256)) * 4, "binary data of a kind"),
    ],
)
def test_a_binary_file_that_is_not_read_is_named(source: str, content: bytes, what: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"^is {what}(, which| that) is not read$"):
        detect(source, content)


def test_an_encrypted_office_file_says_so() -> None:
    with pytest.raises(LoadError, match="is encrypted"):
        detect("plan.xlsx", compound("EncryptionInfo", "EncryptedPackage"))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("a/b.txt", "text"),
        ("relatório.PDF", "pdf"),
        ("src/Makefile", "code"),
        ("CMakeLists.txt", "code"),
        ("a.tar.gz", "tar"),
        ("mail.mhtml", "eml"),
        ("pdf", "other"),
        (".md", "other"),
        ("a.docx.bak", "other"),
    ],
)
def test_a_name_alone_tells_a_kind(source: str, kind: str) -> None:
    assert kind_of_name(source) == kind


@pytest.mark.parametrize("content", [b"PK\3\4", compound("Book")[:700], b"\x1f\x8b\x08", b"%PDF-"])
def test_a_few_bytes_of_a_format_are_a_load_error(content: bytes) -> None:
    for source in ("a", "a.txt", "a.docx", "a.zip"):
        with pytest.raises(LoadError):
            load_document(source, content)


def test_the_public_documents_are_what_their_names_say() -> None:
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    folder = Path(os.environ["RAG_BENCH"], "mixed-fixtures", "documents")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    kinds = {path.name: detect(path.name, path.read_bytes()) for path in paths}
    named = {path.name: kind_of_name(path.name) for path in paths}
    assert {name: kind for name, kind in kinds.items() if kind != named[name]} == {
        "bates.txt": "html",
        "obama.txt": "html",
    }
