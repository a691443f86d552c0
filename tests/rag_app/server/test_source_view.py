"""A citation opens its source: the part of the file that it names, with the quote marked."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import docx
import pptx
import pytest
import xlsxwriter
from reportlab.pdfgen.canvas import Canvas

from ingest import LoadError, PagePictures, UsageError
from rag_app import RagApp
from rag_app.server.source_views.marked_text import Segment
from rag_app.server.source_views.source_view import SourceView, ViewKind, source_view

NOTE = "\n".join(f"Note {n}: the kettle number {n} boils in {n} minutes." for n in range(1, 21))
MARKDOWN = """---
title: Care of kettles
date: 2025-03-04
---
# Kettles

## Cleaning

Descale a kettle with vinegar every month.

Rinse it twice afterwards.
"""
CODE = """def boil(litres):
    \"\"\"Return the seconds until water boils.\"\"\"
    seconds = 130 * litres
    return seconds
"""
CSV = "Model,Capacity,Colour\n" + "\n".join(
    f"K{n},{n * 10} l,{'' if n == 5 else 'red'}" for n in range(1, 12)
)
PAGE = "<html><title>Spouts</title><body><h1>Spouts</h1><p>A spout drips if it is bent.</p></body>"
MAIL = """From: ana@example.org
To: rui@example.org
Subject: Lids
Date: Tue, 4 Mar 2025 10:00:00 +0000
Content-Type: text/plain; charset=utf-8

The lids arrive on Friday.
Please count them.
"""
SUBTITLES = "\n".join(
    f"{n}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\nThe cook says line {n}.\n"
    for n in range(1, 9)
)
NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["Pressure of steam."]},
            {"cell_type": "markdown", "metadata": {}, "source": ["Steam is hot.\n", "\n", "Yes."]},
            {"cell_type": "markdown", "metadata": {}, "source": ["The end."]},
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)


def workbook() -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for name, first in (("Prices", 1), ("Stock", 100)):
            sheet = book.add_worksheet(name)
            rows = [("Model", "Note", "Euro")]
            rows += [(f"T{n}", f"kind: {n}", str(n * 3)) for n in range(first, first + 9)]
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
    return buffer.getvalue()


def deck() -> bytes:
    presentation = pptx.Presentation()
    for title, body in (("Start", "First of all."), ("Tea", "Black tea steeps five minutes.")):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def letter() -> bytes:
    document = docx.Document()
    document.core_properties.title = "The guarantee"
    document.add_heading("Guarantee", 1)
    document.add_paragraph("The guarantee lasts three years.")
    document.add_heading("Limits", 2)
    document.add_paragraph("It does not cover limescale.")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def book() -> bytes:
    chapters = {
        "a": "<html xmlns='http://www.w3.org/1999/xhtml'><body><p>Water first.</p></body></html>",
        "b": "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>Fire</h1>"
        + "".join(f"<p>Line {n} of the fire.</p>" for n in range(12))
        + "</body></html>",
    }
    items = "".join(
        f"<item id='{n}' href='{n}.xhtml' media-type='application/xhtml+xml'/>" for n in chapters
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
            "<rootfile full-path='book.opf'/></rootfiles></container>",
        )
        archive.writestr(
            "book.opf",
            f"<package xmlns='http://www.idpf.org/2007/opf'><manifest>{items}</manifest>"
            "<spine><itemref idref='a'/><itemref idref='b'/></spine></package>",
        )
        for name, content in chapters.items():
            archive.writestr(f"{name}.xhtml", content)
    return buffer.getvalue()


def manual() -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    canvas.drawString(72, 760, "The manual of the samovar.")
    canvas.drawString(72, 100, "Fill the samovar with water up to the mark and")
    canvas.showPage()
    canvas.drawString(72, 760, "light the coals under it.")
    canvas.save()
    return buffer.getvalue()


FILES = {
    "note.txt": NOTE.encode(),
    "care.md": MARKDOWN.encode(),
    "boil.py": CODE.encode(),
    "models.csv": CSV.encode(),
    "prices.xlsx": workbook(),
    "tea.pptx": deck(),
    "letter.docx": letter(),
    "spouts.html": PAGE.encode(),
    "lids.eml": MAIL.encode(),
    "show.srt": SUBTITLES.encode(),
    "steam.ipynb": NOTEBOOK.encode(),
    "book.epub": book(),
    "manual.pdf": manual(),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> RagApp:
    folder = tmp_path_factory.mktemp("sources")
    for name, content in FILES.items():
        (folder / "documents").mkdir(exist_ok=True)
        (folder / "documents" / name).write_bytes(content)
    app = RagApp(documents=folder / "documents", index=folder / "index")
    assert app.index().new == len(FILES)
    return app


def view(app: RagApp, source: str, quote: str) -> SourceView:
    document = app.document(source)
    assert document
    start = document.text.index(quote)
    return source_view(app, source, start, start + len(quote))


def shown(found: SourceView) -> str:
    return "".join(segment.text for line in found.lines for segment in line.segments)


def marked(found: SourceView) -> str:
    segments = (segment for line in found.lines for segment in line.segments)
    return "".join(segment.text for segment in segments if segment.marked)


def cells(found: SourceView) -> Iterator[list[str]]:
    assert found.table
    for row in found.table.rows:
        yield ["".join(segment.text for segment in cell) for cell in row.cells]


@pytest.mark.parametrize(
    ("source", "quote", "kind", "location"),
    [
        ("note.txt", "kettle number 9 boils in 9 minutes.\nNote 10", "lines", "line 9"),
        ("care.md", "vinegar every month.\n\nRinse it twice", "lines", "line 9"),
        ("boil.py", "130 * litres", "lines", "line 3"),
        ("models.csv", "K5 | Capacity: 50 l\nModel: K6", "table", "row 6"),
        ("prices.xlsx", "T2 | Note: kind: 2", "table", "Prices!3"),
        ("tea.pptx", "tea steeps", "part", "slide 2"),
        ("letter.docx", "cover limescale", "lines", "Guarantee > Limits"),
        ("spouts.html", "drips if it", "lines", "Spouts"),
        ("lids.eml", "on Friday.\nPlease count", "lines", "Lids"),
        ("show.srt", "line 4.\nThe cook", "lines", "00:00:04"),
        ("steam.ipynb", "hot.\n\nYes", "part", "cell 2"),
        ("book.epub", "Line 6 of the fire.", "part", "chapter 2"),
        ("manual.pdf", "the mark and\nlight the coals", "page", "page 1"),
    ],
)
def test_what_is_marked_is_the_quote_in_every_format(
    app: RagApp, source: str, quote: str, kind: str, location: str
) -> None:
    found = view(app, source, quote)
    document = app.document(source)
    assert document
    assert marked(found) == document.text[found.start : found.end] == quote
    assert shown(found) in document.text
    assert (found.source, found.kind) == (source, kind)
    assert found.location == location
    assert json.loads(json.dumps(asdict(found)))["lines"][0]["segments"]


@pytest.mark.parametrize("source", FILES)
def test_any_span_is_marked_as_it_stands_in_the_text(app: RagApp, source: str) -> None:
    document = app.document(source)
    assert document
    chance = random.Random(source)
    for _ in range(25):
        start, end = sorted(chance.sample(range(len(document.text) + 1), 2))
        found = source_view(app, source, start, end)
        assert marked(found) == document.text[start:end]
        assert shown(found) in document.text
        if found.table:
            assert any(row.quoted for row in found.table.rows) == bool(marked(found).strip())


def test_a_row_too_long_for_cells_is_shown_as_lines(tmp_path: Path) -> None:
    filler = "x " * 15_000
    (tmp_path / "wide.csv").write_text(f"Model,Text\nK1,{filler}the end\nK2,b\n")
    app = RagApp(documents=tmp_path, index=tmp_path / "index", max_text_mb=1)
    app.index()
    found = view(app, "wide.csv", "the end")
    assert (found.kind, found.table, marked(found)) == (ViewKind.LINES, None, "the end")
    assert len(shown(found)) < 2_000


def test_the_lines_around_have_their_numbers(app: RagApp) -> None:
    lines = view(app, "note.txt", "kettle number 9 boils").lines
    assert [line.number for line in lines] == [6, 7, 8, 9, 10, 11, 12]
    assert lines[3].segments == (
        Segment("Note 9: the ", False),
        Segment("kettle number 9 boils", True),
        Segment(" in 9 minutes.\n", False),
    )
    assert lines[0].segments == (Segment(NOTE.splitlines(keepends=True)[5], False),)


def test_a_view_names_the_document_and_the_sections_around(app: RagApp) -> None:
    found = view(app, "care.md", "Descale")
    assert (found.title, found.date, found.language) == ("Care of kettles", "2025-03-04", "en")
    assert found.headings == ("Kettles", "Cleaning")
    assert view(app, "letter.docx", "three years").title == "The guarantee"


def test_rows_around_are_cells_under_the_names_of_their_columns(app: RagApp) -> None:
    found = view(app, "models.csv", "50 l\nModel: K6")
    assert found.table
    assert found.table.columns == ("Model", "Capacity", "Colour")
    assert list(cells(found)) == [
        [f"K{n}", f"{n * 10} l", "" if n == 5 else "red"] for n in range(2, 10)
    ]
    assert [row.number for row in found.table.rows] == list(range(3, 11))
    assert [row.number for row in found.table.rows if row.quoted] == [6, 7]
    quoted = [row.cells for row in found.table.rows if row.quoted]
    assert quoted[0] == ((Segment("K5", False),), (Segment("50 l", True),), ())
    assert quoted[1][0] == (Segment("K6", True),)


def test_rows_are_those_of_one_sheet_without_its_head(app: RagApp) -> None:
    found = view(app, "prices.xlsx", "T100")
    assert found.table
    assert found.table.columns == ("Model", "Note", "Euro")
    assert list(cells(found)) == [[f"T{n}", f"kind: {n}", str(n * 3)] for n in range(100, 104)]
    assert [row.number for row in found.table.rows] == [2, 3, 4, 5]


def test_a_quoted_head_is_a_row(app: RagApp) -> None:
    found = view(app, "models.csv", "Capacity | Colour")
    assert next(cells(found)) == ["Model", "Capacity", "Colour"]
    assert found.table
    assert [row.number for row in found.table.rows if row.quoted] == [1]


@pytest.mark.parametrize(
    ("source", "quote", "begins", "ends"),
    [
        ("tea.pptx", "steeps", "Tea", "five minutes."),
        ("steam.ipynb", "hot", "Steam is hot.", "Yes."),
        ("book.epub", "Line 6", "Fire", "Line 11 of the fire."),
    ],
)
def test_a_part_is_shown_whole_and_alone(
    app: RagApp, source: str, quote: str, begins: str, ends: str
) -> None:
    text = shown(view(app, source, quote))
    assert text.startswith(begins)
    assert text.endswith(ends)


def test_a_long_part_is_cut_between_words(tmp_path: Path) -> None:
    words = " ".join(f"word{n}" for n in range(1050))
    cell = {"cell_type": "markdown", "metadata": {}, "source": words}
    whole = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "long.ipynb").write_text(json.dumps(whole))
    app = RagApp(documents=tmp_path, index=tmp_path / "index")
    app.index()
    found = view(app, "long.ipynb", "word525")
    assert marked(found) == "word525"
    assert 7_900 < len(shown(found)) < 8_010
    assert set(shown(found).split()) <= set(words.split())


def test_a_quote_over_two_pages_names_both(app: RagApp) -> None:
    found = view(app, "manual.pdf", "the mark and\nlight the coals")
    assert (found.pages, found.has_picture) == ((1, 2), True)
    assert (view(app, "note.txt", "Note 3").pages, found.table) == ((), None)


@pytest.mark.parametrize(
    ("source", "start", "end", "message"),
    [
        ("notes.txt", 0, 4, "the index holds no document 'notes.txt'; did you mean 'note.txt'"),
        ("note.txt", 5, 5, "'note.txt' has no place 5-5"),
        ("note.txt", -3, 5, "'note.txt' has no place -3-5"),
        ("note.txt", 0, 10**6, "'note.txt' has no place 0-1000000"),
    ],
)
def test_a_span_that_does_not_exist_is_refused(
    app: RagApp, source: str, start: int, end: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        source_view(app, source, start, end)


def test_a_file_that_is_gone_is_shown_as_text_only(tmp_path: Path) -> None:
    file = tmp_path / "manual.pdf"
    file.write_bytes(manual())
    app = RagApp(documents=tmp_path, index=tmp_path / "index")
    app.index()
    pictures = PagePictures(app.settings)
    try:
        assert len(pictures.draw(app.store, "manual.pdf", 2, 0, 200).boxes) == 1
        file.write_bytes(manual() + b"\n")
        with pytest.raises(LoadError, match=r"page 1 of 'manual\.pdf' is not shown: the file has"):
            pictures.draw(app.store, "manual.pdf", 1, 0, 200)
        file.unlink()
        with pytest.raises(LoadError, match="could not be read: No such file"):
            pictures.draw(app.store, "manual.pdf", 1, 0, 200)
    finally:
        pictures.close()
    assert view(app, "manual.pdf", "samovar with water").kind is ViewKind.PAGE
