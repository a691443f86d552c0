"""A Word document is read whole: what a reader of its pages sees, once and in order."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import docx
import pytest
from office_files import NAMESPACES, links, p, table, word_file, zip_file

from ingest.errors import LoadError
from ingest.loaders import load_document
from ingest.loaders.docx import load_docx
from ingest.loaders.load_options import LoadOptions
from ingest.types import Document


def read(content: bytes) -> Document:
    return load_docx(content, LoadOptions())


def text(body: str, **parts: str) -> str:
    return read(word_file(body, **parts)).text


def test_headers_and_footers_are_read_once_before_the_body() -> None:
    body = (
        p("Page one", '<w:sectPr><w:headerReference r:id="hdr"/></w:sectPr>')
        + p("Page two")
        + '<w:sectPr><w:headerReference r:id="hdr"/><w:footerReference r:id="ftr"/></w:sectPr>'
    )
    assert text(body, hdr=p("Tender 88-B"), ftr=p("Rev. 4")) == (
        "Header: Tender 88-B\nFooter: Rev. 4\n\nPage one\n\nPage two"
    )


def test_a_footer_that_is_only_a_page_number_is_left_out() -> None:
    assert text(p("a") + '<w:footerReference r:id="ftr"/>', ftr=p("17")) == "a"


def test_notes_and_comments_follow_their_paragraph() -> None:
    body = (
        p("Rent")
        + '<w:p><w:r><w:t>Paid late</w:t><w:footnoteReference w:id="7"/><w:t>, it grows</w:t>'
        '<w:commentReference w:id="3"/><w:endnoteReference w:id="5"/></w:r></w:p>'
        + p("Next")
        + '<w:p><w:r><w:t>Again</w:t><w:footnoteReference w:id="4"/></w:r></w:p>'
    )
    found = text(
        body,
        footnotes=f'<w:footnote w:id="0" w:type="separator">{p("---")}</w:footnote>'
        f'<w:footnote w:id="4">{p("second")}</w:footnote>'
        f'<w:footnote w:id="7">{p("2%")}</w:footnote>',
        endnotes=f'<w:endnote w:id="5">{p("see law")}</w:endnote>',
        comments=f'<w:comment w:id="3" w:author="Rita Sá">{p("too much?")}</w:comment>'
        f'<w:comment w:id="8">{p("of nothing")}</w:comment>',
    )
    assert found.split("\n\n") == [
        "Rent",
        "Paid late, it grows",
        "Footnote 1: 2%",
        "Comment by Rita Sá: too much?",
        "Endnote i: see law",
        "Next",
        "Again",
        "Footnote 2: second",
        "Comment: of nothing",
    ]


def test_a_damaged_part_costs_itself_only() -> None:
    document = read(word_file(p("Body"), footnotes="<broken", comments="<w:comment/>"))
    assert document.text == "Body"
    assert document.problems == ("its footnotes could not be read",)


def level(depth: int, kind: str, label: str, extra: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/>{extra}'
        f'<w:lvlText w:val="{label}"/></w:lvl>'
    )


def num(number: int, abstract: int, extra: str = "") -> str:
    return f'<w:num w:numId="{number}"><w:abstractNumId w:val="{abstract}"/>{extra}</w:num>'


def item(text: str, number: int, depth: int = 0) -> str:
    return p(text, f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>')


NUMBERING = (
    '<w:abstractNum w:abstractNumId="0">'
    + level(0, "decimal", "%1.", '<w:pStyle w:val="Cl"/>')
    + level(1, "decimal", "%1.%2", '<w:pStyle w:val="Sub"/>')
    + level(2, "lowerLetter", "(%3)")
    + '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
    + level(0, "upperRoman", "Part %1:")
    + level(1, "decimal", "Rule %2", '<w:lvlRestart w:val="0"/>')
    + level(2, "decimal", "%1-%3", "<w:isLgl/>")
    + '</w:abstractNum><w:abstractNum w:abstractNumId="2">'
    + level(0, "bullet", "\uf0b7")
    + '</w:abstractNum><w:abstractNum w:abstractNumId="3"><w:numStyleLink w:val="Linked"/>'
    + '</w:abstractNum><w:abstractNum w:abstractNumId="4"><w:styleLink w:val="Linked"/>'
    + level(0, "decimalZero", "%1/")
    + "</w:abstractNum>"
    + num(1, 0)
    + num(2, 1)
    + num(3, 2)
    + num(4, 3)
    + num(5, 0, '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>')
)
STYLES = (
    '<w:style w:type="paragraph" w:styleId="Cl"><w:name w:val="Clause"/><w:pPr><w:numPr>'
    '<w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Sub"><w:name w:val="Sub"/><w:pPr><w:numPr>'
    '<w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Own"><w:basedOn w:val="Sub"/></w:style>'
)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param(
            item("a", 1)
            + item("b", 1, 1)
            + item("c", 1, 2)
            + item("d", 1, 2)
            + item("e", 1)
            + item("f", 1, 1),
            ["1. a", "1.1 b", "(a) c", "(b) d", "2. e", "2.1 f"],
            id="levels restart below each other",
        ),
        pytest.param(
            item("a", 2) + item("b", 2, 1) + item("c", 2) + item("d", 2, 1) + item("e", 2, 2),
            ["Part I: a", "Rule 1 b", "Part II: c", "Rule 2 d", "2-1 e"],
            id="roman, a level that never restarts, a legal one",
        ),
        pytest.param(
            item("a", 1) + item("b", 5) + item("c", 5) + item("d", 1),
            ["1. a", "5. b", "6. c", "7. d"],
            id="an override restarts the shared count",
        ),
        pytest.param(item("a", 4) + item("b", 4), ["01/ a", "02/ b"], id="a linked list style"),
        pytest.param(item("a", 3) + item("b", 3), ["- a", "- b"], id="bullets"),
        pytest.param(item("a", 9), ["- a"], id="a list that is not there"),
        pytest.param(
            p("a", '<w:pStyle w:val="Cl"/>')
            + p("b", '<w:pStyle w:val="Own"/>')
            + p("c", '<w:pStyle w:val="Sub"/><w:numPr><w:numId w:val="0"/></w:numPr>')
            + p("d", '<w:pStyle w:val="Sub"/>'),
            ["1. a", "1.1 b", "c", "1.2 d"],
            id="by style, and switched off",
        ),
    ],
)
def test_clauses_keep_their_numbers(body: str, lines: list[str]) -> None:
    document = read(word_file(body, numbering=NUMBERING, styles=STYLES))
    assert [line for line in document.text.split("\n") if line] == lines


def test_a_numbered_heading_has_its_number_in_its_title() -> None:
    body = p("Scope", '<w:pStyle w:val="Cl"/>')
    (heading,) = read(word_file(body, numbering=NUMBERING, styles=STYLES)).headings
    assert (heading.level, heading.title) == (1, "1. Scope")


def test_a_deleted_clause_is_not_counted() -> None:
    gone = (
        '<w:p><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr><w:rPr><w:del/></w:rPr></w:pPr>'
        "<w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>"
    )
    assert text(item("a", 1) + gone + item("b", 1), numbering=NUMBERING) == "1. a\n2. b"


def merged(text: str, merge: str, span: int = 1) -> str:
    properties = f'<w:gridSpan w:val="{span}"/>{merge}'
    return f"<w:tcPr>{properties}</w:tcPr>{p(text)}"


def test_merged_cells_are_repeated_down_and_not_across() -> None:
    rows = table(
        [merged("Item", "", 2), "Price"],
        [merged("Desk", '<w:vMerge w:val="restart"/>'), "oak", "900"],
        [merged("", "<w:vMerge/>"), "pine", "400"],
    )
    assert text(rows) == "Item | Price\nDesk | oak | 900\nDesk | pine | 400"


def test_a_long_cell_is_not_multiplied() -> None:
    rows = [[merged("x" * 5000, '<w:vMerge w:val="restart"/>'), "a"]]
    rows += [[merged("", "<w:vMerge/>"), "b"]] * 50
    assert text(table(*rows)).count("x") == 5000


def test_a_table_in_a_cell_is_read_once_in_its_own_rows() -> None:
    inner = table(["k", "v"], ["1", "2"])
    found = text(table(["left", p("above") + inner + p("below")], ["c", "d"]))
    assert found == "left\n\nabove\n\nk | v\n1 | 2\n\nbelow\n\nc | d"


def test_a_box_of_one_column_keeps_its_paragraphs() -> None:
    assert text(table([p("Note well") + p("Doors close at six.")])) == (
        "Note well\n\nDoors close at six."
    )


BOX = (
    "<w:p><w:r><w:t>anchor</w:t><mc:AlternateContent><mc:Choice><w:txbxContent>{0}</w:txbxContent>"
    "</mc:Choice><mc:Fallback><w:pict><w:txbxContent>{0}</w:txbxContent></w:pict></mc:Fallback>"
    "</mc:AlternateContent></w:r></w:p>"
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(BOX.format(p("boxed")), "anchor\n\nboxed", id="text box"),
        pytest.param(
            f"<w:sdt><w:sdtContent>{p('chosen')}</w:sdtContent></w:sdt>"
            "<w:p><w:sdt><w:sdtContent><w:r><w:t>inline</w:t></w:r></w:sdtContent></w:sdt></w:p>",
            "chosen\n\ninline",
            id="content controls",
        ),
        pytest.param(
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText>"
            "</w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:p>",
            "new",
            id="tracked changes",
        ),
        pytest.param(
            '<w:p><w:r><w:t>20 </w:t><w:sym w:font="Symbol" w:char="F06D"/><w:t>m</w:t>'
            "</w:r></w:p>",
            "20 μm",
            id="symbol font",
        ),
    ],
)
def test_every_kind_of_text_is_read_once(body: str, found: str) -> None:
    assert text(body) == found


def run(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


@pytest.mark.parametrize(
    ("equation", "line"),
    [
        (f"<m:f><m:num>{run('a+b')}</m:num><m:den>{run('2')}</m:den></m:f>", "(a+b)/2"),
        (f"<m:sSup><m:e>{run('x')}</m:e><m:sup>{run('n+1')}</m:sup></m:sSup>", "x^(n+1)"),
        (
            f"<m:rad><m:deg/><m:e><m:sSub><m:e>{run('k')}</m:e><m:sub>{run('0')}</m:sub></m:sSub>"
            "</m:e></m:rad>",
            "√(k_0)",
        ),
        (
            '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr>'
            f"<m:sub>{run('i=1')}</m:sub><m:sup>{run('n')}</m:sup><m:e>{run('i')}</m:e></m:nary>",
            "∑_(i=1)^n i",
        ),
        (
            '<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr>'
            f"<m:e>{run('p')}</m:e><m:e>{run('q')}</m:e></m:d>",
            "[p|q]",
        ),
    ],
)
def test_equations_are_a_line_of_text(equation: str, line: str) -> None:
    assert text(f"<w:p><w:r><w:t>with </w:t></w:r><m:oMath>{equation}</m:oMath></w:p>") == (
        f"with {line}"
    )


def test_strict_open_xml_is_read_like_the_transitional_kind() -> None:
    names = NAMESPACES.replace("http://schemas.openxmlformats.org", "http://purl.oclc.org/ooxml")
    names = names.replace("/2006/", "/")
    body = p("Saved strictly, see http://purl.oclc.org/ooxml/wordprocessingml/main.")
    content = zip_file(
        {
            "_rels/.rels": links({"r": ("officeDocument", "word/document.xml")}),
            "word/document.xml": f"<w:document {names}><w:body>{body}</w:body></w:document>",
        }
    )
    assert read(content).text.startswith("Saved strictly, see http://purl.oclc.org/ooxml/wordp")


def test_the_numbers_of_a_chart_are_read() -> None:
    def cached(name: str, *values: str) -> str:
        points = "".join(f"<c:pt><c:v>{one}</c:v></c:pt>" for one in values)
        return f"<c:{name}><c:strRef><c:strCache>{points}</c:strCache></c:strRef></c:{name}>"

    title = (
        "<c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    )
    series = (
        f"<c:ser>{cached('tx', 'North')}{cached('cat', 'May', 'June')}{cached('val', '4', '6')}"
    )
    chart = f"<c:chartSpace {NAMESPACES}>{title}{series}</c:ser></c:chartSpace>"
    content = zip_file(
        {
            "word/document.xml": f"<w:document {NAMESPACES}><w:body><w:p><w:r><w:drawing>"
            '<c:chart r:id="c1"/></w:drawing></w:r></w:p></w:body></w:document>',
            "word/_rels/document.xml.rels": links({"c1": ("chart", "charts/chart1.xml")}),
            "word/charts/chart1.xml": chart,
        }
    )
    assert read(content).text == "Sales\n| May | June\nNorth | 4 | 6"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parts.docx", "headerword footerword footnoteword endnoteword commentword equationword"),
        ("strict.docx", "Strict"),
        ("nested_table.docx", "outer innerword after"),
    ],
)
def test_the_cases_are_read_whole(name: str, words: str) -> None:
    if "RAG_CASES" not in os.environ:
        pytest.skip("needs the public case files: set RAG_CASES to their folder")
    content = Path(os.environ["RAG_CASES"], "files", name).read_bytes()
    found = read(content).text
    assert [found.count(word) for word in words.split()] == [1] * len(words.split())
    assert "deletedword" not in found


def test_an_entity_bomb_is_refused() -> None:
    entities = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">'
    content = zip_file(
        {
            "word/document.xml": f"<!DOCTYPE x [{entities}]><w:document {NAMESPACES}><w:body>"
            f"{p('&b;')}</w:body></w:document>"
        }
    )
    with pytest.raises(LoadError, match="declares XML entities"):
        load_document("a.docx", content)


def test_no_word_of_the_public_documents_is_lost() -> None:
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    paths = sorted(Path(os.environ["RAG_BENCH"]).rglob("*.docx"))
    assert paths
    for path in paths:
        plain = docx.Document(str(path))
        cells = {cell._tc: cell for one in plain.tables for row in one.rows for cell in row.cells}
        texts = [*plain.paragraphs, *(p for cell in cells.values() for p in cell.paragraphs)]
        expected = Counter(word for one in texts for word in re.findall(r"\w+", one.text))
        found = Counter(re.findall(r"\w+", read(path.read_bytes()).text))
        assert (expected & found).total() >= 0.99 * expected.total(), path
