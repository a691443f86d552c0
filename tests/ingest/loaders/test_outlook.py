"""A message of Outlook is read as one of Internet mail is."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from compound_files import Tree, compound_file

from ingest.errors import LoadError
from ingest.loaders import LoadOptions, load_document
from ingest.types import Document

BODY, HTML, SUBJECT, SENDER, TO, SENT, HEADERS = 0x1000, 0x1013, 0x37, 0xC1A, 0xE04, 0x39, 0x7D
CODEPAGE, DATA, NAME, MIME_TYPE, CONTENT_ID = 0x3FDE, 0x3701, 0x3707, 0x370E, 0x3712
SENT_AT = 134_066_313_000_000_000  # in units of 100 ns since 1601


def properties(header: int, values: dict[int, Any]) -> dict[str, Any]:
    """Return the streams of properties; text, bytes, and numbers by their sizes."""
    table, streams = bytes(header), {}
    for name, value in values.items():
        if isinstance(value, int):
            kind = 0x40 if value > 2**31 else 3
            table += struct.pack("<HHIQ", kind, name, 6, value)
            continue
        kind = 0x1F if isinstance(value, str) else 0x102
        data = value.encode("utf-16-le") if isinstance(value, str) else value
        table += struct.pack("<HHIQ", kind, name, 6, len(data))
        streams[f"__substg1.0_{name:04X}{kind:04X}"] = data
    return {"__properties_version1.0": table, **streams}


def attached(*attachments: Tree) -> dict[str, Tree]:
    return {f"__attach_version1.0_#{n:08X}": one for n, one in enumerate(attachments)}


def located(document: Document, quote: str) -> str | None:
    start = document.text.index(quote)
    return document.places_between(start, start + len(quote))[0].location


MESSAGE = {
    BODY: "Às nove.\r\n\r\n> A que horas?\r\n",
    SUBJECT: "Maré alta",
    SENDER: "Inês",
    TO: "Rui; Ana",
}


def test_a_message_has_its_headers_its_text_and_its_attachments() -> None:
    inner = properties(24, {BODY: "The innermost.", SUBJECT: "Fwd"})
    tree = {
        **properties(32, MESSAGE | {SENT: SENT_AT}),
        **attached(
            properties(8, {DATA: b"Rope: 40 m", NAME: "lista.txt"}),
            properties(8, {DATA: b"MZ\0\0", NAME: "run.exe"}),
            properties(
                8, {DATA: b"\x89PNG", NAME: "a.png", MIME_TYPE: "image/png", CONTENT_ID: "1"}
            ),
            {**properties(8, {NAME: "Fwd.msg"}), "__substg1.0_3701000D": inner},
        ),
    }
    content = compound_file(tree)
    document = load_document("a.msg", content)
    day = document.metadata["date"]
    assert document.text.startswith(
        f"From: Inês\nTo: Rui; Ana\nDate: {day}\nSubject: Maré alta\n\n"
        "Às nove.\n\n> A que horas?\n\n"
    )
    assert document.metadata == {"title": "Maré alta", "date": "2025-11-03"}
    assert located(document, "Rope") == "lista.txt, line 1"
    assert located(document, "innermost") == "Fwd.msg"
    assert document.problems == ("1 attachment of a kind that is not read: run.exe",)
    document = load_document("a.msg", content, LoadOptions(depth=1))
    assert document.problems[0].startswith("Fwd.msg: lies too deep")


def test_the_headers_as_sent_are_preferred() -> None:
    headers = "From: =?utf-8?q?In=C3=AAs?= <i@quay.example>\r\nDate: Mon, 3 Nov 2025 08:15\r\n"
    document = load_document("a", compound_file(properties(32, MESSAGE | {HEADERS: headers})))
    assert document.text.startswith(
        "From: Inês <i@quay.example>\nTo: Rui; Ana\nDate: Mon, 3 Nov 2025 08:15\nSubject: Maré alta"
    )


@pytest.mark.parametrize("codepage", [1252, 65001, 99999])
def test_a_message_of_html_only_is_read_in_any_codepage(codepage: int) -> None:
    page = "<p>Três pontões</p>".encode("cp1252" if codepage == 1252 else "utf-8")
    document = load_document("a", compound_file(properties(32, {HTML: page, CODEPAGE: codepage})))
    assert document.text.strip() == "Três pontões"


def test_a_damaged_property_loses_itself_only() -> None:
    tree = properties(32, MESSAGE)
    del tree[f"__substg1.0_{SUBJECT:04X}001F"]
    document = load_document("a.msg", compound_file(tree))
    assert document.text.startswith("From: Inês\nTo: Rui; Ana\n\nÀs nove.")
    content = compound_file(properties(32, MESSAGE))
    for cut in range(600, len(content), 500):
        with suppress(LoadError):
            assert load_document("a.msg", content[:cut]).text


def test_a_public_message_is_read() -> None:
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    folder = Path(os.environ["RAG_BENCH"], "mixed-fixtures", "documents")
    for path in folder.rglob("*.msg"):
        document = load_document(path.name, path.read_bytes())
        assert document.metadata["title"] == "This is a Subject"
        assert "This is an example email with a body." in document.text
        assert document.places[-1].name == "sample_pdf_1.pdf, page 4"
        assert document.problems == ()
