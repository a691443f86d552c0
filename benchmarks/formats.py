"""Ask a question of a file of each format, and print what was cited as a Markdown table.

    python -m benchmarks.formats

Each file holds one fact in the middle of others, and was written by a library of its format or, for
formats of text, here. All are indexed as one folder, so a question finds its own file among all.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import docx
import xlsxwriter
from pptx import Presentation
from reportlab.pdfgen.canvas import Canvas

from rag_app import RagApp, Settings

ODF = "urn:oasis:names:tc:opendocument:xmlns"
FILLER = ("Deliveries arrive at the back door.", "Visitors sign the book in the hall.")


class Format(NamedTuple):
    """A file and its fact: what a thing holds, in litres."""

    file: str
    thing: str
    litres: int
    make: Callable[[str], bytes]

    @property
    def fact(self) -> str:
        """The sentence in the file."""
        return f"The {self.thing} holds {self.litres} litres."

    @property
    def question(self) -> str:
        """The question that it answers."""
        return f"How many litres does the {self.thing} hold?"


class Found(NamedTuple):
    """What was cited first: its file, the location there, and whether the quote has the number."""

    source: str
    location: str | None
    right: bool


def ask_all(folder: Path) -> dict[str, Found]:
    """Write all files into the folder, index it, and return what is cited for each of them."""
    documents = folder / "documents"
    documents.mkdir()
    for one in FORMATS:
        (documents / one.file).write_bytes(one.make(one.fact))
    app = RagApp(Settings(documents=documents, index=folder / "index"))
    app.index()
    return {one.file: _ask(app, one) for one in FORMATS}


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        print("\n".join(table(ask_all(Path(folder)))))


def table(found: Mapping[str, Found]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| file | question | location of the first citation |", "|---|---|---|"]
    for one in FORMATS:
        cited = found[one.file]
        told = cited.location or ""
        if (cited.source, cited.right) != (one.file, True):
            told = f"not found, but {cited}"
        lines.append(f"| `{one.file}` | {one.question} | {told} |")
    return lines


def _ask(app: RagApp, one: Format) -> Found:
    answer = app.ask(one.question)
    if not answer.citations:
        return Found("", None, False)
    first = answer.citations[0]
    return Found(first.source, first.location, str(one.litres) in first.quote)


def _lines(*parts: str) -> bytes:
    return "\n".join(parts).encode()


def _text(fact: str) -> bytes:
    return _lines(FILLER[0], "", fact, "", FILLER[1])


def _markdown(fact: str) -> bytes:
    return _lines("# House", "", FILLER[0], "", "## Stores", "", fact)


def _rst(fact: str) -> bytes:
    return _lines("House", "=====", "", FILLER[0], "", "Stores", "------", "", fact)


def _html(fact: str) -> bytes:
    return f"<html><h1>House</h1><p>{FILLER[0]}</p><h2>Stores</h2><p>{fact}</p></html>".encode()


def _pdf(fact: str) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for line in (FILLER[0], fact):
        canvas.drawString(72, 700, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _docx(fact: str) -> bytes:
    document = docx.Document()
    for heading, line in (("House", FILLER[0]), ("Stores", fact)):
        document.add_heading(heading, 1)
        document.add_paragraph(line)
    return _saved(document.save)


def _pptx(fact: str) -> bytes:
    slides = Presentation()
    for title, line in (("House", FILLER[0]), ("Stores", fact)):
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = line
    return _saved(slides.save)


def _rows(fact: str) -> list[tuple[str, str]]:
    thing, _, amount = fact.removeprefix("The ").removesuffix(".").partition(" holds ")
    return [("Vessel", "Volume"), ("small jug", "1 litre"), (thing, amount), ("mug", "0.4 litres")]


def _csv(fact: str) -> bytes:
    return _lines(*(";".join(row) for row in _rows(fact)))


def _tsv(fact: str) -> bytes:
    return _lines(*("\t".join(row) for row in _rows(fact)))


def _xlsx(fact: str) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet("Notes").write(0, 0, FILLER[0])
        sheet = book.add_worksheet("Vessels")
        for number, row in enumerate(_rows(fact)):
            sheet.write_row(number, 0, row)
    return file.getvalue()


def _ods(fact: str) -> bytes:
    rows = "".join(
        "<table:table-row>"
        + "".join(
            '<table:table-cell office:value-type="string">'
            f"<text:p>{cell}</text:p></table:table-cell>"
            for cell in row
        )
        + "</table:table-row>"
        for row in _rows(fact)
    )
    table = f'<table:table table:name="Vessels">{rows}</table:table>'
    return _odf("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>")


def _odt(fact: str) -> bytes:
    heading = '<text:h text:outline-level="1">{}</text:h><text:p>{}</text:p>'
    body = heading.format("House", FILLER[0]) + heading.format("Stores", fact)
    return _odf("text", f"<office:text>{body}</office:text>")


def _odp(fact: str) -> bytes:
    page = (
        '<draw:page draw:name="p"><draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box>'
        "</draw:frame></draw:page>"
    )
    pages = page.format(FILLER[0]) + page.format(fact)
    return _odf("presentation", f"<office:presentation>{pages}</office:presentation>")


def _odf(kind: str, body: str) -> bytes:
    names = "".join(f' xmlns:{one}="{ODF}:{one}:1.0"' for one in ("office", "text", "table"))
    names += f' xmlns:draw="{ODF}:drawing:1.0"'
    content = f"<office:document-content{names}><office:body>{body}</office:body>"
    return _zip(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"{content}</office:document-content>",
        }
    )


def _epub(fact: str) -> bytes:
    page = "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>{}</h1><p>{}</p></body></html>"
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in (1, 2)
    )
    return _zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": (
                '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                '<rootfile full-path="book.opf"/></rootfiles></container>'
            ),
            "book.opf": (
                f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest>'
                '<spine><itemref idref="c1"/><itemref idref="c2"/></spine></package>'
            ),
            "c1.xhtml": page.format("House", FILLER[0]),
            "c2.xhtml": page.format("Stores", fact),
        }
    )


def _rtf(fact: str) -> bytes:
    return rf"{{\rtf1\ansi {FILLER[0]}\par {fact}\par}}".encode()


def _eml(fact: str, attached: bool = True) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ana@example.org", "rui@example.org", "Stores"
    mail["Date"], mail["Message-ID"] = "Mon, 02 Nov 2026 09:00:00 +0000", "<1@example.org>"
    mail.set_content(FILLER[0] if attached else fact)
    if attached:
        mail.add_attachment(_pdf(fact), "application", "pdf", filename="stores.pdf")
    return mail.as_bytes()


def _mbox(fact: str) -> bytes:
    mark = b"From ana@example.org Mon Nov  2 09:00:00 2026\n"
    return b"\n".join((mark + _eml(FILLER[1], False), mark + _eml(fact, False), b""))


def _json(fact: str) -> bytes:
    return json.dumps([{"note": FILLER[0]}, {"note": fact}], indent=1).encode()


def _jsonl(fact: str) -> bytes:
    return _lines(*(json.dumps({"note": line}) for line in (FILLER[0], fact)))


def _yaml(fact: str) -> bytes:
    return _lines("notes:", f"  - {FILLER[0]}", f"  - {fact}")


def _xml(fact: str) -> bytes:
    return _lines('<?xml version="1.0"?>', "<notes>", f"<note>{fact}</note>", "</notes>")


def _ipynb(fact: str) -> bytes:
    cells = [{"cell_type": "markdown", "source": line} for line in (FILLER[0], fact)]
    return json.dumps({"nbformat": 4, "cells": cells}).encode()


def _code(fact: str) -> bytes:
    return _lines("def pour():", f'    """{fact}"""', "    return 1")


def _srt(fact: str) -> bytes:
    return _lines("1", "00:00:01,000 --> 00:00:03,000", FILLER[0], "", "2") + _lines(
        "", "00:01:02,000 --> 00:01:05,000", fact, ""
    )


def _vtt(fact: str) -> bytes:
    return _lines("WEBVTT", "", "00:02:03.000 --> 00:02:05.000", fact, "")


def _archive(fact: str) -> bytes:
    return _zip({"readme.txt": FILLER[0], "cellar/stores.pdf": _pdf(fact)})


def _tar(fact: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo("cellar/stores.txt")
        member.size = len(fact)
        archive.addfile(member, io.BytesIO(fact.encode()))
    return file.getvalue()


def _png(fact: str) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (1400, 200), 255)
    ImageDraw.Draw(picture).text((40, 60), fact, font=ImageFont.load_default(48))
    return _saved(lambda file: picture.save(file, "PNG"))


def _zip(parts: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


FORMATS: Sequence[Format] = (
    Format("kitchen.txt", "copper kettle", 3, _text),
    Format("garden.md", "green watering can", 11, _markdown),
    Format("laundry.rst", "enamel wash tub", 42, _rst),
    Format("bakery.html", "flour bin", 67, _html),
    Format("dairy.pdf", "milk churn", 38, _pdf),
    Format("forge.docx", "quench bucket", 17, _docx),
    Format("brewery.pptx", "mash tun", 290, _pptx),
    Format("apothecary.csv", "tincture flask", 2, _csv),
    Format("tannery.tsv", "lime vat", 810, _tsv),
    Format("dyeworks.xlsx", "indigo basin", 135, _xlsx),
    Format("pottery.ods", "slip barrel", 96, _ods),
    Format("vineyard.odt", "oak cask", 225, _odt),
    Format("sawmill.odp", "steam boiler", 540, _odp),
    Format("lighthouse.epub", "oil lamp", 6, _epub),
    Format("stable.rtf", "horse trough", 180, _rtf),
    Format("ferry.eml", "bilge tank", 73, _eml),
    Format("chapel.mbox", "baptismal font", 24, _mbox),
    Format("cannery.json", "brine pot", 58, _json),
    Format("mint.jsonl", "acid carboy", 19, _jsonl),
    Format("orchard.yaml", "cider press", 84, _yaml),
    Format("quarry.xml", "rain cistern", 4200, _xml),
    Format("observatory.ipynb", "nitrogen dewar", 31, _ipynb),
    Format("engine.py", "coolant header", 9, _code),
    Format("opera.srt", "fog machine", 5, _srt),
    Format("museum.vtt", "bronze amphora", 26, _vtt),
    Format("castle.zip", "moat pump", 1500, _archive),
    Format("harbour.tar.gz", "diesel drum", 208, _tar),
    Format("sign.png", "rooftop reservoir", 7300, _png),
)

if __name__ == "__main__":
    main()
