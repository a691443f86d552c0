"""Files of old formats are read with an extra, and name it without it."""

from __future__ import annotations

import pytest

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.legacy import load_doc, load_rtf
from ingest.loaders.load_options import LoadOptions

RTF = rb"""{\rtf1\ansi\ansicpg1252{\info{\title Price list}}\pard Boats for hire\par
The caf\'e9 sells tickets.\par
\trowd\cellx1000\cellx2000 Boat\cell Price\cell\row
\trowd\cellx1000\cellx2000 Row boat\cell 12 \'80\cell\row\pard Open in May.\par}"""


def test_rtf_is_read_with_the_rows_of_its_tables() -> None:
    pytest.importorskip("kreuzberg", reason="needs the extra 'legacy'")
    document = load_rtf(RTF, LoadOptions())
    lines = [line for line in document.text.split("\n") if line]
    assert lines == [
        "Boats for hire",
        "The café sells tickets.",
        "Boat | Price",
        "Row boat | 12 €",
        "Open in May.",
    ]
    assert document.metadata["title"] == "Price list"
    assert document.places == ()


def test_a_damaged_file_gives_one_plain_line() -> None:
    pytest.importorskip("kreuzberg", reason="needs the extra 'legacy'")
    with pytest.raises(LoadError, match="is encrypted or damaged, or not really an old"):
        load_doc(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, LoadOptions())


def test_without_the_extra_the_file_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.loaders.legacy.find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"RTF, which needs the extra 'legacy': pip install"):
        load_rtf(RTF, LoadOptions())
