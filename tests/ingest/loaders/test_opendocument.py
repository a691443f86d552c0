"""OpenDocument texts and presentations are read whole."""

from __future__ import annotations

import pytest
from office_files import zip_file

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.opendocument import load_odp, load_odt
from ingest.types import Document

OASIS = "urn:oasis:names:tc:opendocument:xmlns"
NAMESPACES = " ".join(
    f'xmlns:{prefix}="{OASIS}:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "svg": "svg-compatible",
        "presentation": "presentation",
        "manifest": "manifest",
        "meta": "meta",
    }.items()
)
NAMESPACES += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'


def office(kind: str, inside: str) -> str:
    return f"<office:{kind} {NAMESPACES}>{inside}</office:{kind}>"


def file(kind: str, body: str, automatic: str = "", **parts: str) -> bytes:
    """Return a file with the body, automatic styles, and other parts by name."""
    styles = f"<office:automatic-styles>{automatic}</office:automatic-styles>"
    content = f"{styles}<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return zip_file(
        {
            "content.xml": office("document-content", content),
            **{f"{name}.xml": office(f"document-{name}", xml) for name, xml in parts.items()},
        }
    )


def read(body: str, automatic: str = "", **parts: str) -> Document:
    return load_odt(file("text", body, automatic, **parts), LoadOptions())


def p(text: str) -> str:
    return f"<text:p>{text}</text:p>"


def test_headings_spaces_and_metadata() -> None:
    document = read(
        '<text:p text:style-name="P1">The lease</text:p>'
        '<text:h text:outline-level="2">Rent<text:s text:c="2"/>and\n  costs</text:h>'
        + p("One<text:tab/>two<text:line-break/>three <text:span>four</text:span>."),
        automatic='<style:style style:name="P1" style:family="paragraph" '
        'style:parent-style-name="Title"/>',
        meta="<office:meta><dc:title>Lease</dc:title><dc:date>2025-04-09T10:00</dc:date>"
        "</office:meta>",
    )
    assert document.text == "The lease\n\nRent  and costs\n\nOne\ttwo\nthree four."
    assert [(one.level, one.title) for one in document.headings] == [
        (0, "The lease"),
        (2, "Rent and costs"),
    ]
    assert document.metadata == {"title": "Lease", "date": "2025-04-09"}


LISTS = (
    '<text:list-style style:name="L"><text:list-level-style-number text:level="1" '
    'style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" '
    'style:num-format="a" style:num-suffix=")" text:display-levels="2"/></text:list-style>'
    '<text:list-style style:name="B"><text:list-level-style-bullet text:level="1"/>'
    "</text:list-style>"
)


def items(*texts: str) -> str:
    return "".join(f"<text:list-item>{text}</text:list-item>" for text in texts)


def test_lists_keep_their_numbers_and_continue() -> None:
    inner = f"<text:list>{items(p('x'), p('y'))}</text:list>"
    document = read(
        f'<text:list text:style-name="L">{items(p("a") + inner, p("b") + p("more"))}</text:list>'
        + p("between")
        + '<text:list text:style-name="L" text:continue-numbering="true">'
        + items(p("c"))
        + f'</text:list><text:list text:style-name="L">{items(p("anew"))}</text:list>'
        f'<text:list text:style-name="B">{items(p("point"))}</text:list>',
        automatic=LISTS,
    )
    assert [line for line in document.text.split("\n") if line] == [
        "1. a",
        "1.a) x",
        "1.b) y",
        "2. b",
        "more",
        "between",
        "3. c",
        "1. anew",
        "- point",
    ]


def test_headings_are_numbered_by_the_outline() -> None:
    outline = (
        '<office:styles><text:outline-style><text:outline-level-style text:level="1" '
        'style:num-format="I" style:num-prefix="Art. "/></text:outline-style></office:styles>'
    )
    head = '<text:h text:outline-level="1">{}</text:h>'
    document = read(head.format("Aim") + head.format("Seat"), styles=outline)
    assert [one.title for one in document.headings] == ["Art. I Aim", "Art. II Seat"]


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{p(text)}</table:table-cell>"


def row(*cells: str, repeated: int = 1) -> str:
    start = f'<table:table-row table:number-rows-repeated="{repeated}">'
    return f"{start}{''.join(cells)}</table:table-row>"


COVERED = "<table:covered-table-cell/>"


def test_rows_are_lines_and_merged_cells_are_repeated_down() -> None:
    document = read(
        "<table:table><table:table-header-rows>"
        + row(cell("Town"), cell("Year", 'table:number-columns-spanned="2"'), COVERED)
        + "</table:table-header-rows>"
        + row(cell("Faro", 'table:number-rows-spanned="2"'), cell("2024"), cell("7"))
        + row(COVERED, cell("2025"), cell("8"))
        + row(cell("", 'table:number-columns-repeated="900000"'), cell(""), repeated=900000)
        + "</table:table>"
    )
    assert document.text == "Town | Year\nFaro | 2024 | 7\nFaro | 2025 | 8"


def test_a_table_in_a_cell_is_read_once() -> None:
    inner = f"<table:table>{row(cell('k'), cell('v'))}</table:table>"
    outer = f"<table:table-cell>{p('above')}{inner}</table:table-cell>"
    assert read(f"<table:table>{row(outer, cell('side'))}</table:table>").text == (
        "above\n\nk | v\n\nside"
    )


def test_repeated_cells_and_rows_are_bounded() -> None:
    wide = cell("x", 'table:number-columns-repeated="100000"')
    text = read(f"<table:table>{row(wide, cell('y'), repeated=100000)}</table:table>").text
    assert 0 < text.count("x") < 10_000


def test_notes_comments_frames_and_headers_are_read_and_deletions_are_not() -> None:
    note = (
        '<text:note text:note-class="{}"><text:note-citation>{}</text:note-citation>'
        "<text:note-body>{}</text:note-body></text:note>"
    )
    document = read(
        f"<text:tracked-changes><text:deletion>{p('gone')}</text:deletion></text:tracked-changes>"
        + p(
            f"Paid{note.format('footnote', 1, p('in cash'))} late"
            f"{note.format('endnote', 'i', p('by law'))}"
            f"<office:annotation><dc:creator>Rui</dc:creator>{p('why?')}</office:annotation>"
            f"<draw:frame><draw:text-box>{p('boxed')}</draw:text-box></draw:frame>"
        )
        + p("Next"),
        styles="<office:master-styles><style:master-page><style:header>"
        f"{p('Tender 9')}</style:header><style:header-left>{p('Tender 9')}</style:header-left>"
        f"<style:footer>{p('12')}</style:footer></style:master-page></office:master-styles>",
    )
    assert document.text.split("\n\n") == [
        "Header: Tender 9",
        "Paid late",
        "Footnote 1: in cash",
        "Endnote i: by law",
        "Comment by Rui: why?",
        "boxed",
        "Next",
    ]


def frame(left: str, top: str, text: str, kind: str = "") -> str:
    return (
        f'<draw:frame svg:x="{left}" svg:y="{top}" svg:height="2cm" presentation:class="{kind}">'
        f"<draw:text-box>{p(text)}</draw:text-box></draw:frame>"
    )


def test_slides_are_places_read_in_order() -> None:
    first = frame("9cm", "5.1cm", "right") + frame("1cm", "5cm", "left")
    first += f"<draw:g>{frame('1cm', '9cm', 'below')}</draw:g>" + frame(
        "1cm", "1cm", "Plan", "title"
    )
    notes = f"<presentation:notes>{frame('1cm', '1cm', 'Say it.', 'notes')}</presentation:notes>"
    body = (
        f"<draw:page>{first}{notes}</draw:page>"
        f'<draw:page draw:style-name="dp2">{frame("1cm", "1cm", "Backup", "title")}</draw:page>'
    )
    hidden = (
        '<style:style style:name="dp2" style:family="drawing-page">'
        '<style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    )
    document = load_odp(file("presentation", body, hidden), LoadOptions())
    assert document.text.split("\n\n") == [
        "Plan",
        "left",
        "right",
        "below",
        "Notes: Say it.",
        "Backup",
    ]
    assert [(one.start, one.name) for one in document.places] == [
        (0, "slide 1"),
        (document.text.index("Backup"), "slide 2 (hidden)"),
    ]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        pytest.param(
            {"META-INF/manifest.xml": f"<e xmlns='{OASIS}:manifest:1.0'><encryption-data/></e>"},
            "is encrypted",
            id="encrypted",
        ),
        pytest.param(
            {"content.xml": '<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/hostname">]><x>&y;</x>'},
            "declares XML entities",
            id="external entity",
        ),
    ],
)
def test_what_can_not_be_read_is_said_in_words(parts: dict[str, str], reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load_odt(zip_file(parts), LoadOptions())
