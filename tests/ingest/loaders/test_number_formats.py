"""A number in a spreadsheet keeps the percent sign and the unit that a person sees."""

from __future__ import annotations

import io

import pytest
import xlsxwriter

from ingest.loaders.load_options import LoadOptions
from ingest.loaders.number_formats import parse_format
from ingest.loaders.spreadsheet import load_xlsx


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("0%", 0.23, "23%"),
        ("0.00%", -0.0125, "-1.25%"),
        ('0.0" kg"', 7.5, "7.5 kg"),
        ("[$R$-416] #,##0.00;[Red]-[$R$-416] #,##0.00", -1200, "-R$ 1200.00"),
        ("_-[$€-2] * #,##0.00_-", 40, "€ 40.00"),
        ('#,##0.00\\ "€"', 40, "40.00 €"),
        ('0.00" m"', 1.2345, "1.2345 m"),
        ("$#,##0", 3, "$3"),
    ],
)
def test_what_a_format_adds_is_shown(code: str, value: float, shown: str) -> None:
    found = parse_format(code)
    assert found
    assert found.show(value, str(value)) == shown


@pytest.mark.parametrize(
    "code",
    ["General", "0.00", "dd/mm/yyyy", "[h]:mm", "[$-409]mmm d", "0.00E+00", '0.0,," M"', "@"],
)  # fmt: skip
def test_a_format_that_adds_nothing_or_changes_the_number_is_left_out(code: str) -> None:
    assert parse_format(code) is None


def test_the_cells_of_each_sheet_have_their_own_formats() -> None:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer)
    for name, code in (("Taxes", "0.0%"), ("Loads", '0" t"')):
        sheet = book.add_worksheet(name)
        sheet.write_row(3, 1, ["Name", "Amount"])
        sheet.write(4, 1, "x")
        sheet.write(4, 2, 0.5, book.add_format({"num_format": code}))
    book.close()
    text = load_xlsx(buffer.getvalue(), LoadOptions()).text
    assert "Name: x | Amount: 50.0%" in text
    assert "Name: x | Amount: 0.5 t" in text
