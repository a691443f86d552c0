"""A loader returns the text of a file or says in one line why it can't."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType

import docx
import hypothesis
import pytest
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from hypothesis import given
from hypothesis import strategies as st
from public_documents import load_folder
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import LoadError
from ingest.loaders import kind_of_name, load_document
from ingest.loaders.ocr import unavailable
from ingest.types import Document

DATA = Path(__file__).parents[3] / "data"


def titles(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in document.headings]


def heading_lines(document: Document) -> list[str]:
    return [document.text[h.start :].splitlines()[0] for h in document.headings]


def pdf(*pages: list[tuple[float, float, int, str]], **options: object) -> bytes:
    """Return a PDF; each page is a list of (x, y, font size, text)."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1, **options)
    for page in pages:
        for x, y, size, text in page:
            canvas.setFont("Helvetica", size)
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def lines(*texts: str, size: int = 11) -> list[tuple[float, float, int, str]]:
    return [(72.0, 760.0 - 16 * i, size, text) for i, text in enumerate(texts)]


def word(build: Callable[[docx.document.Document], object]) -> bytes:
    document = docx.Document()
    build(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/b.txt", "text"),
        ("README.MD", "markdown"),
        ("x.rst", "rst"),
        ("page.htm", "html"),
        ("relatório.PDF", "pdf"),
        ("carta.docx", "docx"),
    ],
)
def test_the_suffix_names_a_kind(source: str, name: str) -> None:
    assert kind_of_name(source) == name


@pytest.mark.parametrize("source", ["a.exe", "a", "pdf", ".gitignore", "a.docx.bak"])
def test_a_text_with_another_suffix_is_read_as_text(source: str) -> None:
    assert kind_of_name(source) == "other"
    assert load_document(source, b"text").text == "text"


@pytest.mark.parametrize("source", ["a.txt", "a.md", "a.rst", "a.html", "a.pdf", "a.docx"])
@pytest.mark.parametrize("content", [b"", b" \r\n\t"], ids=["nothing", "whitespace"])
def test_an_empty_file_is_an_error(source: str, content: bytes) -> None:
    with pytest.raises(LoadError, match=r"^is empty$"):
        load_document(source, content)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("ação\n".encode(), "ação\n", id="utf-8"),
        pytest.param(b"\xef\xbb\xbfa\xc3\xa7\xc3\xa3o", "ação", id="utf-8-mark"),
        pytest.param("ação".encode("utf-16"), "ação", id="utf-16-mark"),
        pytest.param("ação".encode("utf-32"), "ação", id="utf-32-mark"),
        pytest.param(
            "A informação não está".encode("latin-1"), "A informação não está", id="latin"
        ),
        pytest.param("“quoted” – €5".encode("cp1252"), "“quoted” – €5", id="windows"),
        pytest.param(b"a\r\nb\rc\n", "a\nb\nc\n", id="line-ends"),
        pytest.param(b"a\x0cb", "a\x0cb", id="form-feed"),
    ],
)
def test_text_is_decoded_by_what_it_is(content: bytes, text: str) -> None:
    assert load_document("a.txt", content).text == text


PLAIN = """Lease of the mill: Orchard Estates to Wool Traders

Signed on 3 May 2024 by both parties.

1. Rent

The tenant pays GBP 900 a month.

Repairs
The landlord repairs the roof.

ANNEX
- keys
- plans

Part        Every
tiles       3 years

Orla
Finn
"""


def test_a_plain_text_has_a_title_and_the_lines_alone_above_its_sections() -> None:
    document = load_document("a.txt", PLAIN.encode())
    assert document.text == PLAIN
    assert titles(document) == [
        (1, "Lease of the mill: Orchard Estates to Wool Traders"),
        (2, "1. Rent"),
        (2, "Repairs"),
        (2, "ANNEX"),
    ]
    assert heading_lines(document) == [title for _, title in titles(document)]
    assert document.metadata["title"] == "Lease of the mill: Orchard Estates to Wool Traders"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Only one line", id="a line"),
        pytest.param("It rained.\n\nNobody came.", id="sentences"),
        pytest.param(
            "She went down the long road to the harbour in the early\n"
            "Morning light that lay on all the boats and houses.\n\nThe end.",
            id="a wrapped line",
        ),
        pytest.param("Rome\n\nOslo\n\nLima", id="a list of names"),
        pytest.param("Key: value;\n\nOther: value;", id="values"),
    ],
)
def test_prose_and_lists_have_no_headings(text: str) -> None:
    assert [level for level, _ in titles(load_document("a.txt", text.encode()))] in ([], [1])


def test_a_text_in_another_script_is_recognised() -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20
    assert load_document("a.txt", text.encode("cp1251")).text == text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"sums\0\0\1\0\2\xffend", id="nul"),
        pytest.param(bytes(range(1, 32)) * 40, id="control-characters"),
    ],
)
def test_a_binary_file_is_not_text(content: bytes) -> None:
    with pytest.raises(LoadError, match="is not text"):
        load_document("a.txt", content)


MARKDOWN = """\
---
title: "The guide"
# not: a heading
---

# Install **it** { #install }

## With `pip` ##
text
#not a heading

```sh
# not a heading
```

Use
===

A text
over lines
---

### See [the docs](https://example.com)
"""


def test_markdown_is_kept_verbatim_with_its_headings() -> None:
    document = load_document("a.md", MARKDOWN.encode())
    assert document.text == MARKDOWN
    assert document.metadata == {"title": "The guide"}
    assert titles(document) == [
        (1, "Install it"),
        (2, "With pip"),
        (1, "Use"),
        (3, "See the docs"),
    ]
    assert heading_lines(document) == [
        "# Install **it** { #install }",
        "## With `pip` ##",
        "Use",
        "### See [the docs](https://example.com)",
    ]


def test_the_first_top_heading_is_the_title_of_markdown() -> None:
    assert load_document("a.md", b"## Sub\n\n# Top\n\ntext").metadata == {"title": "Top"}


def test_rst_titles_are_headings_in_the_order_of_their_adornments() -> None:
    text = "=====\nTitle\n=====\n\nOne\n---\n\ntext\n\nTwo\n---\n\nSub\n~~~\n"
    document = load_document("a.rst", text.encode())
    assert titles(document) == [(1, "Title"), (2, "One"), (2, "Two"), (3, "Sub")]
    assert heading_lines(document) == ["=====", "One", "Two", "Sub"]


HTML = """<!doctype html><html><head><title> A  page </title><style>p {}</style></head><body>
<nav>menu</nav><script>var x</script><div hidden>secret</div>
<h1>Big <em>title</em></h1>
<p>One&nbsp;line
over two, caf&eacute;.</p><p>Another<br>line</p>
<ul><li>first</li><li><p>second</p></li></ul>
<ol><li>um</li><li>dois</li></ol>
<table><tr><th>Name</th><th>Size</th></tr><tr><td><p>a</p></td><td>1 <b>MB</b></td></tr></table>
<h2>Code</h2><pre>def f():
    return 1
</pre></body></html>"""


def test_html_is_read_as_a_browser_shows_it() -> None:
    document = load_document("a.html", HTML.encode())
    assert document.text == (
        "Big title\n\nOne line over two, café.\n\nAnother\nline\n\n- first\n- second\n\n"
        "1. um\n2. dois\n\nName | Size\n\na | 1 MB\n\nCode\n\ndef f():\n    return 1"
    )
    assert document.metadata == {"title": "A page"}
    assert titles(document) == [(1, "Big title"), (2, "Code")]
    assert heading_lines(document) == ["Big title", "Code"]


@pytest.mark.parametrize(
    ("name", "content", "day"),
    [
        pytest.param(
            "a.html",
            b"<meta name=date content=2024-01-05>"
            b"<meta property=article:modified_time content=2025-03-12T19:30:00Z><p>text",
            "2025-03-12",
            id="html, the last change",
        ),
        pytest.param("a.html", b"<meta name=date content=soon><p>text", None, id="no date"),
        pytest.param(
            "a.md", b"---\ndate: 2025-02-11 10:00\n---\ntext", "2025-02-11", id="front matter"
        ),
        pytest.param("a.md", b"---\ndate: 2025-13-41\n---\ntext", None, id="no such day"),
    ],
)
def test_a_file_states_when_it_was_changed(name: str, content: bytes, day: str | None) -> None:
    assert load_document(name, content).metadata.get("date") == day


def test_a_word_file_states_when_it_was_changed() -> None:
    def build(document: docx.document.Document) -> None:
        document.core_properties.author = "Ana"
        document.core_properties.modified = datetime(2025, 3, 12, 19, 30)
        document.add_paragraph("text")

    assert load_document("a.docx", word(build)).metadata == {"date": "2025-03-12"}


def test_what_a_library_makes_up_about_a_word_file_is_not_stated() -> None:
    assert load_document("a.docx", word(lambda made: made.add_paragraph("x"))).metadata == {}


def test_a_table_for_the_layout_keeps_its_paragraphs() -> None:
    page = f"<table><tr><td>menu</td><td><p>{'long ' * 90}</p><p>other</p></td></tr></table>"
    assert load_document("a.html", page.encode()).text.split("\n\n")[1:] == [
        ("long " * 90).strip(),
        "other",
    ]


def test_html_uses_the_encoding_it_declares() -> None:
    page = '<meta charset="koi8-r"><p>привет мир</p>'
    assert load_document("a.html", page.encode("koi8-r")).text == "привет мир"


def test_deeply_nested_html_is_no_problem() -> None:
    page = "<div>" * 20_000 + "deep" + "</div>" * 20_000
    assert load_document("a.html", page.encode()).text == "deep"


def test_html_without_text_is_an_error() -> None:
    with pytest.raises(LoadError, match="has no text"):
        load_document("a.html", b"<script>1</script><img src=x>")


def test_each_page_of_a_pdf_starts_where_it_says() -> None:
    document = load_document("a.pdf", pdf(lines("First page"), [], lines("Third page", "more")))
    first, second, third = (place.start for place in document.places)
    assert (first, document.text[second:third].strip()) == (0, "")
    assert document.text[third:] == "Third page\nmore"


def test_larger_lines_of_a_pdf_are_headings() -> None:
    body = lines(*["a line of plain text, long enough to be the most"] * 8)
    page = [(72.0, 800.0, 24, "Title"), (72.0, 780.0, 16, "Section"), *body]
    document = load_document("a.pdf", pdf(page))
    assert titles(document) == [(1, "Title"), (2, "Section")]
    assert heading_lines(document) == ["Title", "Section"]


def test_the_outline_of_a_pdf_gives_its_headings() -> None:
    content = (DATA / "documents/pt/geracao-aumentada-por-recuperacao.pdf").read_bytes()
    document = load_document("a.pdf", content)
    assert document.metadata == {
        "title": "Geração aumentada por recuperação",
        "date": "2000-01-01",
    }
    assert titles(document)[:3] == [
        (1, "Geração aumentada por recuperação"),
        (2, "O que é RAG"),
        (2, "Por que usar"),
    ]
    assert heading_lines(document) == [title for _, title in titles(document)]
    assert "\n5. Recuperar pergunta de 3 a 10 trechos\n" in document.text


def test_a_word_cut_at_a_line_end_is_joined_again() -> None:
    document = load_document("a.pdf", pdf(lines("a house is danger-", "ous to enter")))
    assert document.text == "a house is dangerous\nto enter"


def test_running_headers_and_page_numbers_are_left_out_of_a_pdf() -> None:
    pages = [
        lines("Annual report", f"this is the text of page number {name}", str(n))
        for n, name in enumerate(("one", "two", "three", "four"), 1)
    ]
    document = load_document("a.pdf", pdf(*pages))
    assert document.text == "Annual report\n" + "\n".join(
        f"this is the text of page number {name}" for name in ("one", "two", "three", "four")
    )


def test_a_pdf_without_text_says_so() -> None:
    with pytest.raises(LoadError, match=r"^has no text$"):
        load_document("a.pdf", pdf([]))


def test_a_pdf_that_only_forbids_printing_is_read() -> None:
    locked = pdf(lines("open"), encrypt=StandardEncryption("", "owner", canPrint=0))
    assert load_document("a.pdf", locked).text == "open"


def test_a_pdf_with_a_password_says_so() -> None:
    locked = pdf(lines("closed"), encrypt=StandardEncryption("secret"))
    with pytest.raises(LoadError, match=r"^is encrypted: add its password to RAG_PASSWORDS$"):
        load_document("a.pdf", locked)


BROKEN_PAGE = b"""%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R 9 0 R]/Count 2>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R
/Resources<</Font<</F1 5 0 R>>>>>> endobj
4 0 obj <</Length 37>> stream
BT /F1 12 Tf 9 99 Td (Readable) Tj ET
endstream endobj
5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj
trailer <</Root 1 0 R>>
"""


def test_a_page_that_fails_is_named_and_the_others_stay() -> None:
    document = load_document("a.pdf", BROKEN_PAGE)
    assert document.text.strip() == "Readable"
    assert document.problems == ("page 2 could not be read",)


def test_threads_may_load_pdfs_at_once() -> None:
    files = [pdf(lines(*[f"file {i} line {j}" for j in range(30)])) for i in range(8)]
    found: dict[int, str] = {}

    def load(i: int) -> None:
        found[i] = load_document("a.pdf", files[i]).text

    threads = [threading.Thread(target=load, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[i].startswith(f"file {i} line 0\n") for i in range(8))


def test_a_word_document_keeps_the_order_of_paragraphs_and_tables() -> None:
    def build(document: docx.document.Document) -> None:
        document.core_properties.title = "Stated title"
        document.add_heading("Title", 0)
        document.add_paragraph("Before.")
        document.add_heading("Section", 1)
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ("a", "b", "1", "2"), strict=True):
            cell.text = text
        document.add_paragraph("one", style="List Bullet")
        document.add_paragraph("two", style="List Number")
        document.add_paragraph("After.")

    document = load_document("a.docx", word(build))
    assert document.text == (
        "Title\n\nBefore.\n\nSection\n\na | b\n1 | 2\n\n- one\n1. two\n\nAfter."
    )
    assert titles(document) == [(0, "Title"), (1, "Section")]
    assert heading_lines(document) == ["Title", "Section"]
    assert document.metadata == {"title": "Stated title"}


def test_localized_and_own_heading_styles_are_headings() -> None:
    def build(document: docx.document.Document) -> None:
        local = document.styles.add_style("Título 2", 1)
        own = document.styles.add_style("Chapter", 1)
        own.base_style = document.styles["Heading 3"]
        document.add_paragraph("Local", style=local)
        document.add_paragraph("Own", style=own)
        level = OxmlElement("w:outlineLvl")
        level.set(qn("w:val"), "0")
        document.add_paragraph("Direct")._p.get_or_add_pPr().append(level)
        document.add_paragraph("text")

    assert titles(load_document("a.docx", word(build))) == [(2, "Local"), (3, "Own"), (1, "Direct")]


def test_a_zip_bomb_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 250_000_000)
    with pytest.raises(LoadError, match="unpacks to 250 MB"):
        load_document("a.docx", buffer.getvalue())


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "<x/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("source", "content"),
    [
        pytest.param("a.docx", b"PK\x03\x04 broken", id="broken-zip"),
        pytest.param("a.docx", zipped("other.xml"), id="another-zip"),
        pytest.param("a.docx", b"plain text", id="text-as-docx"),
        pytest.param("a.pdf", b"plain text", id="text-as-pdf"),
        pytest.param("a.pdf", pdf(lines("cut"))[:300], id="cut-pdf"),
    ],
)
def test_a_damaged_file_gives_one_plain_line(source: str, content: bytes) -> None:
    with pytest.raises(LoadError) as caught:
        load_document(source, content)
    assert str(caught.value) == f"is damaged or not really {kind_of_name(source)}"


def test_an_old_word_file_says_what_to_do() -> None:
    with pytest.raises(LoadError, match=r"save it as \.docx"):
        load_document("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)


SAMPLES = {
    "a.pdf": pdf(lines("some text", "more text")),
    "a.docx": word(lambda document: document.add_paragraph("some text")),
    "a.html": HTML.encode(),
    "a.md": MARKDOWN.encode(),
}


@hypothesis.settings(deadline=None)
@given(
    source=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 40_000), st.binary(max_size=8)), max_size=12),
    cut=st.integers(0, 40_000),
)
def test_a_damaged_file_gives_a_document_or_a_load_error(
    source: str, changes: list[tuple[int, bytes]], cut: int
) -> None:
    content = bytearray(SAMPLES[source])
    for position, data in changes:
        start = position % len(content)
        content[start : start + len(data)] = data
    assert "\n" not in outcome(source, bytes(content[: cut or None]))


def outcome(source: str, content: bytes) -> str:
    try:
        return repr(load_document(source, content).text.encode())
    except LoadError as error:
        return str(error)


def make_documents() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_documents", DATA / "make_documents.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parts(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_the_script_makes_the_binary_samples() -> None:
    for path, content in make_documents().make_documents().items():
        committed = (DATA / "documents" / path).read_bytes()
        assert len(committed) < 100_000
        if path.suffix == ".docx":  # another zlib may compress otherwise
            assert parts(content) == parts(committed)
        else:
            assert content == committed


def test_every_sample_document_loads() -> None:
    samples = sorted(path for path in (DATA / "documents").rglob("*") if path.is_file())
    assert {kind_of_name(path.name) for path in samples} == {
        "text",
        "markdown",
        "html",
        "pdf",
        "docx",
    }
    for path in samples:
        document = load_document(path.name, path.read_bytes())
        assert 250 < len(document.text.split()) < 900, path
        assert document.problems == ()


def test_importing_a_loader_changes_no_logger_of_another_library() -> None:
    code = (
        "import logging, ingest.loaders.pdf\n"
        "print([logging.getLogger(name).level for name in ('pypdf', 'pypdfium2')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 0]\n"


BENCH = [
    pytest.param("sec-10-q", 20, {}, id="sec-10-q"),
    pytest.param("fastapi-docs", 279, {}, id="fastapi-docs"),
    pytest.param("xquad-en", 48, {}, id="xquad-en"),
    pytest.param(
        "pypdf-resources", 65, {"looks scanned": 5, "is encrypted": 10}, id="pypdf-resources"
    ),
    pytest.param("mixed-fixtures", 83, {"not really a picture": 1}, id="mixed-fixtures"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "loaded", "failed"), BENCH)
def test_public_documents_load_or_say_why_not(
    folder: str, loaded: int, failed: dict[str, int]
) -> None:
    if reason := unavailable():
        pytest.skip(reason)
    documents, reasons = 0, []
    for path, found, cpu_seconds in load_folder(folder):
        if isinstance(found, LoadError):
            reasons.append(str(found))
        else:
            documents += 1
            assert found.text.encode()
            assert all(not found.text[h.start].isspace() for h in found.headings)
        assert cpu_seconds < 30, path
    assert documents == loaded
    assert {key: sum(key in reason for reason in reasons) for key in failed} == failed
    assert len(reasons) == sum(failed.values())
