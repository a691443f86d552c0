"""HTML is read as a browser shows it, whatever its encoding, in linear time."""

from __future__ import annotations

import pytest

from ingest.loaders.html import load_html
from ingest.loaders.html_depth import limit_depth
from ingest.loaders.load_options import LoadOptions


def text(page: str | bytes) -> str:
    content = page.encode() if isinstance(page, str) else page
    return load_html(content, LoadOptions()).text


def test_images_are_read_by_their_descriptions() -> None:
    page = (
        '<p>See <img src="a.png" alt="Map of the harbour">.</p><p>End<img alt=""></p>'
        '<img role="presentation" alt="wave"><img alt="IMG_2041.jpeg"><img hidden alt="x">'
    )
    assert text(page) == "See Map of the harbour .\n\nEnd"


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ('<meta charset="iso-8859-7">', "iso8859-7"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-7">', "iso8859-7"),
        ('<?xml version="1.0" encoding="iso-8859-7"?>', "iso8859-7"),
        ("", "utf-16"),
        ('<meta charset="utf-16">', "utf-8"),
        ('<meta charset="no-such-encoding">', "utf-8"),
    ],
)
def test_the_encoding_that_a_page_names_is_used(declaration: str, encoding: str) -> None:
    page = f"{declaration}<p>Η τιμή είναι 5</p>"
    assert text(page.encode(encoding)) == "Η τιμή είναι 5"


def test_latin_1_is_read_as_browsers_read_it() -> None:
    page = "<meta charset=iso-8859-1><p>“Olá” – 5 €</p>"
    assert text(page.encode("cp1252")) == "“Olá” – 5 €"


def test_xhtml_may_close_elements_that_html_leaves_open() -> None:
    page = (
        '<?xml version="1.0"?><html><head><title/><script src="a>b"/></head><body><p/>one<br/>two'
    )
    assert text(page) == "one\ntwo"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        pytest.param("<div>" * 150_000 + "deep words", "deep words", id="blocks"),
        pytest.param("<span>" * 90_000 + "a" + "</span>" * 90_000 + " b", "a b", id="inline"),
        pytest.param(
            "".join(f"<font size={i}><p>" for i in range(10_000)) + "deep", "deep", id="formatting"
        ),
        pytest.param("<select><optgroup>" * 50_000 + "</select>deep", "deep", id="choices"),
        pytest.param("<!--" * 200_000 + "deep", "", id="comments"),
        pytest.param("shown<script>" * 100_000, "shown", id="scripts"),
        pytest.param("<?xml?>shown<a " + '"' * 200_000, "shown", id="quotes"),
        pytest.param("<?xml?>shown<a" + " " * 200_000, "shown", id="spaces"),
    ],
)
def test_hostile_nesting_takes_linear_time(page: str, found: str) -> None:
    assert text(page) == found


def test_pages_of_ordinary_depth_are_left_alone() -> None:
    row = "<tr><td><p>a<p><b>b</b><li>c<br></td>"
    page = "<table>" + row * 2000 + "</table>" + "<div><p>x</p></div>" * 2000
    assert limit_depth(page) == page


def test_an_entity_bomb_stays_as_it_is_written() -> None:
    page = '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><p>&b; words'
    assert text(page).endswith("&b; words")
