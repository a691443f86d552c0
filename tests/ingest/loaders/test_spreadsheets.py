"""Every row of every sheet is a line with the names of its columns, and a place."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from ingest.errors import LoadError
from ingest.loaders import sheet_sizes, table_rows
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.ods import load_ods
from ingest.loaders.spreadsheet import load_xls, load_xlsb, load_xlsx
from ingest.types import Document

OPTIONS = LoadOptions()


def workbook(*sheets: tuple[str, Callable[[Worksheet], object]], hide: str = "") -> bytes:
    """Return an Excel workbook; each sheet is a name and what fills it."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"default_date_format": "dd/mm/yyyy"})
    for name, fill in sheets:
        sheet = book.add_worksheet(name)
        fill(sheet)
        if name == hide:
            sheet.hide()
    book.close()
    return buffer.getvalue()


def table(rows: list[list[object]], top: int = 0, left: int = 0) -> Callable[[Worksheet], object]:
    def fill(sheet: Worksheet) -> None:
        for number, row in enumerate(rows):
            sheet.write_row(top + number, left, row)

    return fill


def places(document: Document) -> dict[str, str]:
    return {place.name: document.text[place.start :].split("\n")[0] for place in document.places}


def test_a_row_carries_its_head_and_its_place_is_sheet_and_row() -> None:
    stock = table([["Part", "Left"], ["nut", 12], ["bolt", 2.5]], top=3, left=2)
    rates = table([["Zone", "Fee"], ["A1", 7]])
    document = load_xlsx(workbook(("Stock", stock), ("Fees", rates), hide="Fees"), OPTIONS)
    assert places(document) == {
        "Stock": "Stock",
        "Stock!4": "Part | Left",
        "Stock!5": "Part: nut | Left: 12",
        "Stock!6": "Part: bolt | Left: 2.5",
        "Fees": "Fees (hidden)",
        "Fees!1": "Zone | Fee",
        "Fees!2": "Zone: A1 | Fee: 7",
    }
    assert [heading.title for heading in document.headings] == ["Stock", "Fees (hidden)"]
    assert all(document.text[h.start :].startswith(h.title) for h in document.headings)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (date(2024, 2, 9), "2024-02-09"),
        (datetime(2024, 2, 9, 7, 45), "2024-02-09 07:45"),
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (True, "TRUE"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_value_is_text_about_as_it_is_shown(value: object, shown: str) -> None:
    with_time = {"default_date_format": "dd/mm/yyyy hh:mm"} if isinstance(value, datetime) else {}
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"default_date_format": "dd/mm/yyyy", **with_time})
    book.add_worksheet("S").write(0, 0, value)
    book.close()
    assert places(load_xlsx(buffer.getvalue(), OPTIONS))["S!1"] == shown


def test_a_formula_is_its_value_and_times_are_times() -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.write_row(0, 0, ["Sum", "At", "Took"])
        sheet.write_formula(1, 0, "=40+2", None, 42)
        sheet.write_datetime(1, 1, time(7, 5), book_format("hh:mm"))
        sheet.write_datetime(1, 2, timedelta(hours=30), book_format("[h]:mm"))

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer)

    def book_format(shown: str) -> object:
        return book.add_format({"num_format": shown})

    fill(book.add_worksheet("S"))
    book.close()
    line = places(load_xlsx(buffer.getvalue(), OPTIONS))["S!2"]
    assert line == "Sum: 42 | At: 07:05:00 | Took: 30:00:00"


def test_blank_rows_divide_tables_and_a_table_without_a_head_has_that_above() -> None:
    rows: list[list[object]] = [
        ["Part", "Left"],
        ["nut", 12],
        [],
        ["cog", 3],
        [],
        ["Zone", "Fee", "Tax"],
        ["A1", 7, 2],
    ]
    document = load_xlsx(workbook(("S", table(rows))), OPTIONS)
    assert places(document)["S!4"] == "Part: cog | Left: 3"
    assert places(document)["S!7"] == "Zone: A1 | Fee: 7 | Tax: 2"
    assert "Left: 12\n\nPart: cog | Left: 3\n\nZone | Fee | Tax\n" in document.text


def test_merged_cells_stand_in_each_row_and_name_each_column() -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.merge_range(0, 0, 0, 3, "Sales of 2024")
        sheet.merge_range(1, 0, 2, 0, "Site")
        sheet.merge_range(1, 1, 1, 2, "North")
        sheet.write(1, 3, "South")
        sheet.write_row(2, 1, ["May", "June", "May"])
        sheet.merge_range(3, 0, 4, 0, "Faro")
        sheet.write_row(3, 1, [7, 8, 9])
        sheet.write_row(4, 1, [1, 2, 3])

    found = places(load_xlsx(workbook(("S", fill)), OPTIONS))
    assert found["S!1"] == "Sales of 2024"
    assert found["S!4"] == "Site: Faro | North May: 7 | North June: 8 | South May: 9"
    assert found["S!5"] == "Site: Faro | North May: 1 | North June: 2 | South May: 3"


def far_apart(row: int, column: int) -> bytes:
    return workbook(("S", lambda sheet: (sheet.write(0, 0, "a"), sheet.write(row, column, "b"))))


def test_a_sheet_that_claims_more_cells_than_fit_is_refused() -> None:
    with pytest.raises(LoadError, match="1,048,576 rows and 16,384 columns"):
        load_xlsx(far_apart(1_048_575, 16_383), OPTIONS)


def test_two_cells_apart_are_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(places(load_xlsx(far_apart(9_999, 9), OPTIONS))) == ["S", "S!1", "S!10000"]
    monkeypatch.setattr(sheet_sizes, "_MOST_CELLS", 99_999)
    with pytest.raises(LoadError, match="10,000 rows and 10 columns"):
        load_xlsx(far_apart(9_999, 9), OPTIONS)


@pytest.mark.parametrize("load", [load_xlsx, load_xlsb])
def test_what_unpacks_to_too_much_is_refused(
    load: Callable[[bytes, LoadOptions], Document],
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b" " * 3_000_000)
    with pytest.raises(LoadError, match="more than 2 MB"):
        load(buffer.getvalue(), LoadOptions(unpacked_bytes=2_000_000))


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("load", "content"),
    [
        pytest.param(load_xlsx, OLE, id="xlsx"),
        pytest.param(load_xls, OLE + "EncryptedPackage".encode("utf-16-le"), id="xls"),
    ],
)
def test_an_encrypted_workbook_says_so(
    load: Callable[[bytes, LoadOptions], Document], content: bytes
) -> None:
    with pytest.raises(LoadError, match="is encrypted"):
        load(content, OPTIONS)


def test_damage_is_an_error_in_words() -> None:
    with pytest.raises(LoadError, match="is damaged"):
        load_xls(OLE, OPTIONS)


NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "style")
)


def ods(sheets: str, dtd: str = "", **parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "content.xml",
            f"{dtd}<office:document-content {NAMES}><office:automatic-styles>"
            '<style:style style:name="off" style:family="table">'
            '<style:table-properties table:display="false"/></style:style>'
            f"</office:automatic-styles><office:body><office:spreadsheet>{sheets}"
            "</office:spreadsheet></office:body></office:document-content>",
        )
        for name, text in parts.items():
            archive.writestr(f"META-INF/{name}.xml", text)
    return buffer.getvalue()


def sheet(name: str, *rows: str, style: str = "on") -> str:
    inside = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    return f'<table:table table:name="{name}" table:style-name="{style}">{inside}</table:table>'


def cells(*texts: str) -> str:
    return "".join(f"<table:table-cell><text:p>{one}</text:p></table:table-cell>" for one in texts)


EMPTY = '<table:table-cell table:number-columns-repeated="16380"/>'


def test_an_open_document_shows_what_a_person_sees() -> None:
    content = ods(
        sheet("Fees", cells("Zone", "Fee", "On"), cells("A<text:s/>1", "7,5 %", "09/02/24") + EMPTY)
        + sheet("Old", cells("x"), style="off")
    )
    document = load_ods(content, OPTIONS)
    assert places(document) == {
        "Fees": "Fees",
        "Fees!1": "Zone | Fee | On",
        "Fees!2": "Zone: A 1 | Fee: 7,5 % | On: 09/02/24",
        "Old": "Old (hidden)",
        "Old!1": "x",
    }


def test_merged_cells_of_an_open_document_stand_in_each_row() -> None:
    merged = (
        '<table:table-cell table:number-rows-spanned="2"><text:p>Faro</text:p></table:table-cell>'
    )
    covered = "<table:covered-table-cell/>"
    content = ods(
        sheet("S", cells("Site", "Sum"), merged + cells("4"), covered + cells("6"), cells("", "9"))
    )
    assert list(places(load_ods(content, OPTIONS)).values())[2:] == [
        "Site: Faro | Sum: 4",
        "Site: Faro | Sum: 6",
        "Sum: 9",
    ]


def repeated(rows: int, columns: int, text: str) -> bytes:
    return ods(
        f'<table:table table:name="S"><table:table-row table:number-rows-repeated="{rows}">'
        f'<table:table-cell table:number-columns-repeated="{columns}">{text}</table:table-cell>'
        f"</table:table-row><table:table-row>{cells('end')}</table:table-row></table:table>"
    )


def test_repeated_cells_without_text_are_only_counted() -> None:
    document = load_ods(repeated(1_048_570, 16_384, ""), OPTIONS)
    assert places(document) == {"S": "S", "S!1048571": "end"}


def test_repeated_cells_with_text_stay_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    row = load_ods(repeated(1, 2_000_000_000, "<text:p>ab</text:p>"), OPTIONS)
    assert places(row)["S!1"] == " | ".join(["ab"] * 16_384)
    monkeypatch.setattr(table_rows, "_MOST_CHARACTERS", 1_000_000)
    document = load_ods(repeated(1_000_000_000, 16_384, "<text:p>ab</text:p>"), OPTIONS)
    assert len(document.text) < 1_100_000
    assert document.problems == ("sheet 'S' was not read from row 14 on, nor were sheets after it",)


def test_no_entity_of_an_open_document_is_expanded(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("never shown")
    dtd = (
        f'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "{"&a;" * 50}"><!ENTITY c "{"&b;" * 50}">'
        f'<!ENTITY file SYSTEM "{secret.as_uri()}">]>'
    )
    document = load_ods(ods(sheet("S", cells("left &c; &file; right")), dtd), OPTIONS)
    assert "left" in document.text
    assert "ha" not in document.text
    assert "never" not in document.text


def test_an_encrypted_open_document_says_so() -> None:
    manifest = "<manifest><manifest:encryption-data/></manifest>"
    with pytest.raises(LoadError, match="is encrypted"):
        load_ods(ods("", manifest=manifest), OPTIONS)


@pytest.mark.skipif("RAG_BENCH" not in os.environ, reason="RAG_BENCH names no folder of files")
def test_public_documents_that_are_workbooks_have_places_for_all_their_rows() -> None:
    paths = sorted(Path(os.environ["RAG_BENCH"], "mixed-fixtures").rglob("*.xls*"))
    assert len(paths) >= 8
    for path in paths:
        load = load_xls if path.suffix == ".xls" else load_xlsx
        document = load(path.read_bytes(), OPTIONS)
        assert document.problems == ()
        assert document.places[0].start == 0
        assert len([line for line in document.text.split("\n") if line]) == len(document.places)
