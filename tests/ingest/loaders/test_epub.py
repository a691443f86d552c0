"""A book is read in the order of its spine."""

from __future__ import annotations

import pytest
from office_files import zip_file

from ingest.errors import LoadError
from ingest.loaders.epub import load_epub
from ingest.loaders.load_options import LoadOptions

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata
  xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Tide <!-- x -->tables</dc:title>
  <dc:date>2019</dc:date><meta property="dcterms:modified">2024-02-03T00:00:00Z</meta></metadata>
<manifest><item id="b" href="b%20two.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="../a.xhtml" media-type="application/xhtml+xml"/>
<item id="css" href="s.css" media-type="text/css"/>
<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="a"/><itemref idref="css"/><itemref idref="b"/>{}</spine></package>"""
PARTS: dict[str, str | bytes] = {
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": PACKAGE.format(""),
    "OPS/b two.xhtml": "<?xml version='1.0'?><html><head><title/><script src='x'/></head>"
    "<body><h2>Ebb</h2><p><a id='p1'/>Water <b/>falls.</p></body></html>",
    "a.xhtml": "<html><body><h1>Flood</h1><p>Water rises.</p></body></html>",
}


def test_chapters_are_places_in_the_order_of_the_spine() -> None:
    document = load_epub(zip_file(PARTS), LoadOptions())
    assert document.text == "Flood\n\nWater rises.\n\nEbb\n\nWater falls."
    assert [(one.start, one.name) for one in document.places] == [
        (0, "chapter 1"),
        (document.text.index("Ebb"), "chapter 2"),
    ]
    assert [(one.level, one.title) for one in document.headings] == [(1, "Flood"), (2, "Ebb")]
    assert document.metadata == {"title": "Tide tables", "date": "2024-02-03"}
    assert document.problems == ()


@pytest.mark.parametrize("content", [None, b"\0\1\2" * 99], ids=["missing", "binary"])
def test_a_chapter_that_can_not_be_read_is_named(content: bytes | None) -> None:
    parts = PARTS | {"OPS/book.opf": PACKAGE.format('<itemref idref="gone"/>')}
    parts |= {"OPS/gone.xhtml": content} if content else {}
    document = load_epub(zip_file(parts), LoadOptions())
    assert document.problems == ("chapter 3 could not be read",)
    assert document.unread == pytest.approx(1 / 3)


def encryption(uri: str) -> dict[str, str | bytes]:
    reference = f"<e><EncryptedData><CipherReference URI='{uri}'/></EncryptedData></e>"
    return PARTS | {"META-INF/encryption.xml": reference}


def test_a_protected_book_says_so_and_protected_fonts_do_not_matter() -> None:
    with pytest.raises(LoadError, match="DRM"):
        load_epub(zip_file(encryption("OPS/b%20two.xhtml")), LoadOptions())
    assert load_epub(zip_file(encryption("OPS/font.otf")), LoadOptions()).text.startswith("Flood")
