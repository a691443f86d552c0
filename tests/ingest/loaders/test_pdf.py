"""A PDF gives the words that its pages show, in reading order, and says what it can't read."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap

import pypdf
import pytest
from PIL import Image
from pypdf.generic import NameObject, NumberObject
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import LoadError
from ingest.loaders import LoadOptions, load_document, ocr
from ingest.types import Document

Cell = tuple[float, float, str]
WIDE = "This line of the report goes over the whole width of the page, from edge to edge"
HARBOUR = (
    "The harbour was dug by hand in eleven years and lost twice to storms before the second wall "
    "was built of granite from the hills behind the town, where the quarry is a lake today"
)
LIGHTHOUSE = (
    "A keeper lived in the lighthouse until the lamp was made electric, and his diary lists each "
    "ship that passed, the weather of the day and what he had caught or mended since morning"
)


def drawn(*pages: Sequence[Cell], **options: object) -> bytes:
    """Return a PDF whose pages draw texts at (x, y), in the given order."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1, **options)
    for page in pages:
        canvas.setFont("Helvetica", 10)
        for x, y, text in page:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def saved(writer: pypdf.PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def listed(*texts: str, x: float = 72.0, top: float = 760.0) -> list[Cell]:
    return [(x, top - 13 * i, text) for i, text in enumerate(texts)]


def read(content: bytes, **options: object) -> Document:
    return load_document("a.pdf", content, LoadOptions(**options))  # type: ignore[arg-type]


def page_texts(document: Document) -> list[str]:
    starts = [place.start for place in document.places]
    ends = [*starts[1:], len(document.text)]
    return [document.text[a:b].strip() for a, b in zip(starts, ends, strict=True)]


@pytest.fixture
def without_ocr(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    ocr.unavailable.cache_clear()
    yield
    ocr.unavailable.cache_clear()


def side_by_side(*, drop: float) -> list[Cell]:
    left = listed(*wrap(HARBOUR, 38), x=60, top=720)
    right = listed(*wrap(LIGHTHOUSE, 38), x=320, top=720 - drop)
    return [*left, *right]


@pytest.mark.parametrize("drop", [0.0, 5.0], ids=["same lines", "between the lines"])
@pytest.mark.parametrize("by_row", [True, False], ids=["row by row", "column by column"])
def test_columns_are_read_one_after_the_other(drop: float, by_row: bool) -> None:
    cells = side_by_side(drop=drop)
    if by_row:
        cells.sort(key=lambda cell: -cell[1])
    page = [(60.0, 750.0, WIDE), *cells, (60.0, 500.0, WIDE)]
    text = " ".join(read(drawn(page)).text.split())
    assert text == f"{WIDE} {HARBOUR} {LIGHTHOUSE} {WIDE}"


def test_a_word_is_never_joined_across_columns() -> None:
    left = [
        "The council keeps the old bridge and re-",
        "pairs it in May with timber and new iron.",
    ] * 3
    right = [
        "Anglers pay for the river and its many",
        "steps, which are cleaned before Easter.",
    ] * 3
    cells = [*listed(*left, x=60), *listed(*right, x=320)]
    cells.sort(key=lambda cell: -cell[1])
    words = read(drawn(cells)).text.split()
    assert words.count("repairs") == 3
    assert words.index("Anglers") > words.index("iron.")


def test_a_table_drawn_column_by_column_is_read_row_by_row() -> None:
    columns = (
        ("Larch", "Spruce", "Alder", "Beech", "Rowan"),
        ("41", "1,250", "7", "88", "12"),
        ("€ 3.10", "€ 4.00", "€ 0.95", "€ 12.75", "€ 6.60"),
    )
    cells = [
        cell
        for i, column in enumerate(columns)
        for cell in listed(*column, x=60.0 + 120 * i, top=700.0)
    ]
    document = read(drawn([(60.0, 730.0, WIDE), *cells]))
    rows = [" ".join(row) for row in zip(*columns, strict=True)]
    assert document.text == "\n".join([WIDE, *rows])


def test_a_head_drawn_last_is_read_first() -> None:
    body = listed("The first line of the letter.", "The second line of it.", top=600.0)
    document = read(drawn([*body, (72.0, 760.0, "Letterhead of the mill")]))
    assert document.text.splitlines()[0] == "Letterhead of the mill"


def with_form() -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, 700, "Holder of the permit:")
    canvas.acroForm.textfield(name="holder", value="Berta Example", x=200, y=696, height=16)
    canvas.drawString(72, 640, "Valid for one year.")
    canvas.save()
    return buffer.getvalue()


def test_a_filled_field_is_read_beside_its_label() -> None:
    lines = read(with_form()).text.splitlines()
    assert lines == ["Holder of the permit: Berta Example", "Valid for one year."]


def test_lines_that_differ_in_numbers_are_content() -> None:
    receipts = [[(72.0, 700.0, f"Receipt {310 + n} of {5 + n} May: {n * 17}.50")] for n in range(5)]
    assert page_texts(read(drawn(*receipts))) == [cells[0][2] for cells in receipts]


def test_numbered_titles_are_content() -> None:
    pages = [
        listed(f"Clause {n}", f"The duty of party {'ABCDE'[n]} is set here.") for n in range(5)
    ]
    assert [text.splitlines()[0] for text in page_texts(read(drawn(*pages)))] == [
        f"Clause {n}" for n in range(5)
    ]


def test_a_page_with_nothing_but_a_repeated_line_keeps_it() -> None:
    assert page_texts(read(drawn(*[listed("Void")] * 4))) == ["Void"] * 4


@pytest.mark.parametrize(
    "number", ["{}", "- {} -", "Page {} of 6", "Página {}", "Orchard Ltd | Report 2021 | {}"]
)
def test_page_numbers_and_headers_of_left_and_right_pages_are_left_out(number: str) -> None:
    pages = [
        [
            *listed(
                ("Annals of the mill", "Chapter on rent")[n % 2], f"{'abcdef'[n]} is the text."
            ),
            (72.0, 40.0, number.format(n + 4)),
        ]
        for n in range(6)
    ]
    texts = page_texts(read(drawn(*pages)))
    assert texts[2:] == [f"{letter} is the text." for letter in "cdef"]
    assert texts[0].startswith("Annals of the mill\na is the text.")
    assert texts[1] == "Chapter on rent\nb is the text."


def test_the_bullets_of_symbol_fonts_are_kept() -> None:
    entry = b"1 beginbfchar <2a> <f0a7> endbfchar"
    content = with_code_table(entry, ["* Bread", "* Salt", "* Candles for a week"])
    assert read(content).text.splitlines() == ["• Bread", "• Salt", "• Candles for a week"]


def with_code_table(entry: bytes, texts: Sequence[str]) -> bytes:
    """Return a PDF whose font has a code table with one entry, for its first character."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(drawn(listed(*texts))))
    font = writer.pages[0]["/Resources"]["/Font"]["/F1"].get_object()
    table = pypdf.generic.DecodedStreamObject()
    table.set_data(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def "
        b"/CMapType 2 def 1 begincodespacerange <00> <ff> endcodespacerange "
        + entry
        + b" endcmap end end"
    )
    font[NameObject("/ToUnicode")] = writer._add_object(table)
    return saved(writer)


def without_code_table(*texts: str) -> bytes:
    """Return a PDF with a page in Helvetica, and one in a font whose codes mean nothing."""
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, 700, "A page that anyone can read.")
    canvas.showPage()
    canvas.setFont("Vera", 14)
    for x, y, text in listed(*(text.translate(GREEK) for text in texts)):
        canvas.drawString(x, y, text)
    canvas.save()
    writer = pypdf.PdfWriter(clone_from=buffer)
    for font in writer.pages[1]["/Resources"]["/Font"].values():
        font.get_object().pop("/ToUnicode", None)
    return saved(writer)


# Codes of a subset font are given in the order of use, but for those of ASCII.
GREEK = {ord(a): ord(b) for a, b in zip("aeioutnsr", "éãçõüíúàê", strict=True)}


@pytest.mark.usefixtures("without_ocr")
def test_text_in_a_font_without_a_code_table_is_reported() -> None:
    document = read(without_code_table("a note on tides and stones", "in retreat on our coast"))
    assert document.text.strip() == "A page that anyone can read."
    assert document.problems == ("page 2: text in a font without a code table",)
    assert document.unread == pytest.approx(0.5)


def scanned(*pages: str | None) -> bytes:
    """Return a PDF of texts, and of a grey picture for None."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for text in pages:
        if text is None:
            canvas.drawInlineImage(Image.new("L", (40, 60), 200), 72, 72, 400, 600)
        else:
            canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.mark.usefixtures("without_ocr")
def test_pages_without_text_are_named_in_ranges() -> None:
    document = read(scanned("One.", None, None, "Four.", "", None))
    assert len(document.problems) == 1
    assert document.problems[0].startswith("pages 2–3, 6 of 6 look scanned: ")
    assert "the extra 'ocr'" in document.problems[0]
    assert document.unread == pytest.approx(0.5, abs=0.02)
    assert page_texts(document) == ["One.", "", "", "Four.", "", ""]


@pytest.mark.usefixtures("without_ocr")
def test_a_pdf_of_pictures_fails_with_the_command_to_install() -> None:
    with pytest.raises(LoadError, match=r"^page 1 of 1 looks scanned: .*'ocr': pip install"):
        read(scanned(None))


def test_the_deadline_ends_the_pages() -> None:
    with pytest.raises(LoadError, match=r"^pages 1–2 were not read within the time limit$"):
        read(scanned("One.", "Two."), deadline=0.0)


@pytest.mark.parametrize("passwords", [("wrong", "gate"), ("gate",)])
def test_an_encrypted_file_opens_with_any_of_the_passwords(passwords: tuple[str, ...]) -> None:
    locked = drawn(listed("behind it"), encrypt=StandardEncryption("gate"))
    assert read(locked, passwords=passwords).text == "behind it"


def test_an_encrypted_file_says_where_its_password_goes() -> None:
    locked = drawn(listed("behind it"), encrypt=StandardEncryption("gate"))
    with pytest.raises(LoadError, match=r"^is encrypted: add its password to RAG_PASSWORDS$"):
        read(locked, passwords=("wrong",))


def test_a_claim_of_many_pages_is_one_problem() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(drawn(listed("Real"), listed("Also"))))
    writer._pages.get_object()[NameObject("/Count")] = NumberObject(900_000)
    content = saved(writer)
    document = read(content)
    assert page_texts(document) == ["Real", "Also"]
    assert document.problems == ("pages 3–900000 could not be read",)
    assert len(document.places) == 2
    assert document.unread < 1


CASES = {
    "bullets.pdf": ["• Passport", "• Visa", "• Lease"],
    "form.pdf": ["Name of the tenant: Ana Fictitious", "Approved by the board on 3 May"],
    "invoices.pdf": [f"Invoice {number}" for number in (1001, 1002, 1003, 1004)],
    "million.pdf": ["Only one page"],
    "page_titles.pdf": [f"Article {number}" for number in (1, 2, 3, 4)],
    "same_text.pdf": ["Hello world\n" * 3],
    "scanned_annex.pdf": ["Cover letter"],
}


@pytest.mark.parametrize("name", CASES)
def test_the_cases_are_read_whole(name: str) -> None:
    if "RAG_CASES" not in os.environ:
        pytest.skip("needs the small cases: set RAG_CASES to their folder")
    document = read(Path(os.environ["RAG_CASES"], "files", name).read_bytes())
    assert [text for text in CASES[name] if text not in document.text] == []
    assert bool(document.problems) == (name in ("million.pdf", "scanned_annex.pdf"))


def test_public_encrypted_files_open_with_their_passwords() -> None:
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    folder = Path(os.environ["RAG_BENCH"], "pypdf-resources")
    rows = [json.loads(line) for line in (folder / "files.jsonl").read_text().splitlines()]
    locked = [
        row for row in rows if "needs-password" in row["flags"] and row["path"].endswith("pdf")
    ]
    passwords = tuple({row["password"] for row in locked})
    texts = [read((folder / row["path"]).read_bytes(), passwords=passwords).text for row in locked]
    assert len(texts) == 10
    assert all(texts)
