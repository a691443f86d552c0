"""Small files of several formats, made by scripts, for others to damage."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from functools import cache
from typing import Any

import docx
import pptx
import xlsxwriter
from reportlab.pdfgen.canvas import Canvas

WORDS = "the copper engine of the river turns a silver wheel and the garden grows"


@cache
def samples(kind: str) -> tuple[bytes, ...]:
    """Return the sample files of a kind, such as ``pdf``."""
    makers: dict[str, Callable[[], tuple[bytes, ...]]] = {
        "pdf": lambda: (_pdf(0), _pdf(1)),
        "docx": lambda: (_saved(_docx()),),
        "xlsx": lambda: (_xlsx(),),
        "pptx": lambda: (_saved(_pptx()),),
        "eml": lambda: (_eml(),),
        "zip": lambda: (_zip(),),
    }
    return makers[kind]()


def _saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _pdf(compressed: int) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1, pageCompression=compressed)
    canvas.setTitle("Engines")
    for page in range(4):
        canvas.bookmarkPage(f"p{page}")
        canvas.addOutlineEntry(f"Part {page}", f"p{page}")
        for line in range(20):
            canvas.drawString(72, 760 - 16 * line, f"{page}.{line} {WORDS}")
        canvas.acroForm.textfield(name=f"f{page}", value="filled", x=72, y=300)
        canvas.linkURL("https://wheel.example", (72, 700, 200, 720))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _docx() -> Any:
    document = docx.Document()
    document.core_properties.title = "Engines"
    document.sections[0].header.paragraphs[0].text = "The works"
    for part in range(4):
        document.add_heading(f"Part {part}", 1)
        document.add_paragraph(WORDS)
        document.add_paragraph(WORDS, style="List Number")
        table = document.add_table(3, 3)
        for cell in table._cells:
            cell.text = "wheel"
        table.cell(0, 0).merge(table.cell(1, 1))
    return document


def _xlsx() -> bytes:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    for name in ("Wheels", "Engines"):
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, ["name", "weight", "sum"])
        for row in range(1, 40):
            sheet.write_row(row, 0, [f"wheel {row}", row * 1.5])
            sheet.write_formula(row, 2, f"=B{row}*2", value=row * 3)
        sheet.merge_range("E1:G2", "merged")
    book.close()
    return buffer.getvalue()


def _pptx() -> Any:
    deck = pptx.Presentation()
    for part in range(3):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Part {part}"
        slide.placeholders[1].text = WORDS
        slide.notes_slide.notes_text_frame.text = f"Say that {WORDS}"
        table = slide.shapes.add_table(2, 2, 0, 0, 900_000, 900_000).table
        table.cell(0, 0).text = "wheel"
    return deck


def _eml() -> bytes:
    message = EmailMessage()
    message["From"] = "Inês <ines@wheel.example>"
    message["Subject"] = "The silver wheel é ótima"
    message["Date"] = "Tue, 03 Nov 2026 08:15:00 +0000"
    message.set_content(f"{WORDS}\n\n> {WORDS}\n")
    message.add_alternative(f"<h1>Wheel</h1><p>{WORDS}</p>", subtype="html")
    message.add_attachment(_pdf(1), "application", "pdf", filename="engines.pdf")
    message.add_attachment(_zip(), "application", "zip", filename="box.zip")
    message.add_attachment(WORDS, filename="palavras é.txt")
    return message.as_bytes()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.md", f"# Wheel\n\n{WORDS}\n")
        archive.writestr("a/page.html", f"<h1>Wheel</h1><p>{WORDS}</p>")
        archive.writestr("a/engines.docx", _saved(_docx()))
        archive.writestr("a/stored.txt", WORDS, zipfile.ZIP_STORED)
    return buffer.getvalue()
