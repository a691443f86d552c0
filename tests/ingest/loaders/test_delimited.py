"""Each row of a CSV file is a line with the names of its columns, and a place."""

from __future__ import annotations

import pytest

from ingest.loaders import table_rows
from ingest.loaders.delimited import load_csv, load_tsv
from ingest.loaders.load_options import LoadOptions
from ingest.types import Document


def read(text: str) -> Document:
    return load_csv(text.encode(), LoadOptions())


def rows(document: Document) -> dict[str, str]:
    """Return the line at each place."""
    return {place.name: document.text[place.start :].split("\n")[0] for place in document.places}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_row_carries_its_head_and_is_a_place(delimiter: str) -> None:
    text = "Pump,Flow,Site\nP7,30 l/s,Faro\n,12 l/s,Beja\n".replace(",", delimiter)
    document = read(text)
    assert document.text == (
        "Pump | Flow | Site\nPump: P7 | Flow: 30 l/s | Site: Faro\nFlow: 12 l/s | Site: Beja"
    )
    assert list(rows(document).items()) == [
        ("row 1", "Pump | Flow | Site"),
        ("row 2", "Pump: P7 | Flow: 30 l/s | Site: Faro"),
        ("row 3", "Flow: 12 l/s | Site: Beja"),
    ]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        pytest.param("peça;preço\nmola;1,50\neixo;0,90\n", "peça: eixo | preço: 0,90", id="comma"),
        pytest.param("1,5;2,5\n3,5;4,5\n", "3,5 | 4,5", id="decimals only"),
        pytest.param("7,8,9\n4,5,6\n", "4 | 5 | 6", id="numbers have no head"),
        pytest.param("Rui,1990\nAna,1987\n", "Ana | 1987", id="a row of data is no head"),
        pytest.param("Site,2023,2024\nFaro,7,9\n", "Site: Faro | 2023: 7 | 2024: 9", id="years"),
        pytest.param("no,part,price\n1,nut,2.5\n", "no: 1 | part: nut | price: 2.5", id="numbered"),
        pytest.param(",part,price\n0,nut,2.5\n", "0 | part: nut | price: 2.5", id="a nameless one"),
        pytest.param('size,part\n5",nut\n', 'size: 5" | part: nut', id="inches"),
        pytest.param('part,note\nnut,"red, or\nblue; ""new"""\n',
                     'part: nut | note: red, or blue; "new"', id="quoted"),
        pytest.param("Stock of May\n\npart;left\nnut;4\n", "part: nut | left: 4", id="a title"),
        pytest.param("part,left\nnuts\nM4,12\n", "part: M4 | left: 12", id="a ragged row"),
    ],
)  # fmt: skip
def test_the_delimiter_and_the_head_are_found(text: str, last: str) -> None:
    assert list(rows(read(text)).values())[-1] == last


def test_rows_are_numbered_as_in_a_spreadsheet() -> None:
    document = read('part,note\nnut,"two\nlines"\n\nbolt,"x"\n')
    assert list(rows(document)) == ["row 1", "row 2", "row 4"]


def test_lines_without_columns_stay_apart() -> None:
    assert read("Mail\na@b.pt\nc@d.pt\n").text == "Mail\n\na@b.pt\n\nc@d.pt"


def test_tabs_win_in_a_tsv_file_however_many_commas_there_are() -> None:
    document = load_tsv(b"a, b, c\td\n1, 2, 3\tx\n4, 5, 6\ty\n", LoadOptions())
    assert document.text.split("\n")[1] == "a, b, c: 1, 2, 3 | d: x"


def test_rows_beyond_the_limit_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MOST_ROWS", 40)
    document = read("part,left\n" + "nut,7\n" * 99)
    assert list(rows(document))[-1] == "row 40"
    assert document.problems == ("only the first 40 of about 100 rows were read",)
    assert document.unread == pytest.approx(0.6)


def test_a_loader_whose_time_is_up_returns_what_there_is() -> None:
    document = load_csv(b"part,left\n" + b"nut,7\n" * 5000, LoadOptions(deadline=0.0))
    assert document.problems == ("only the first 0 of about 5,001 rows were read",)
