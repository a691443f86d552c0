"""How an answer reads in a Python session and in a notebook."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from running import QUESTION, Rag

import rag_app
from ingest import IndexMissingError
from rag_app import RagApp, Settings
from rag_app.types import Answer, Citation

HOSTILE = (
    "# Big\n- item\n1. one\n    code\n> deep\n| a | b |\n| - | - |\n***\nTitle\n===\n"
    "<script>alert(1)</script> <img src=x onerror=y> &lt;b&gt; **bold** _thin_ ~~gone~~ `code` "
    "[link](https://example.org) ![pic](x.png) <https://example.org> www.example.org a@b.org "
    "$x$ \\(y\\) [^1] {{x}} :smile: \\"
)
TAGS = {"p", "strong", "blockquote", "br"}


def citation(n: int, quote: str, source: str = "a.md", page: int | None = None) -> Citation:
    location = f"page {page}" if page else None
    return Citation(n, source, page, 0, len(quote), quote, 0.9, True, location=location)


def test_print_shows_the_answer_and_its_places_as_the_shell_does(
    rag: Rag, sample_index: Path
) -> None:
    shown = rag("ask", QUESTION).out
    shell = re.sub(r", [^,\n]+ > [^\n]+ \(rag show .+\)", "", shown)
    assert f"{RagApp(index=sample_index).ask(QUESTION)}\n" == shell


def test_a_quote_is_printed_where_the_answer_has_it_in_other_words() -> None:
    first = citation(1, "The ferry\nleaves at six.", "ferry.pdf", page=3)
    second = citation(2, "It costs 4 euros.")
    text = "The ferry leaves at six. [1] It costs 4 euros. [2]"
    answer = Answer("?", text, (first, second), unsupported=("It is red.",))
    assert str(answer) == (
        "The ferry leaves at six. [1] It costs 4 euros. [2]\n"
        "\n[1] ferry.pdf, page 3\nThe ferry\nleaves at six.\n"
        "\n[2] a.md\n"
        "\nwithout support in the documents:\nIt is red."
    )


def test_the_nearest_places_are_printed_with_their_quotes() -> None:
    near = citation(1, "The ferry leaves at six.")
    answer = Answer("?", "I found no sure answer.", abstained=True, nearest=(near,))
    assert str(answer) == (
        "I found no sure answer.\n\nnearest:\n[1] a.md\nThe ferry leaves at six."
    )


def test_print_steers_no_terminal() -> None:
    assert "\x1b" not in str(Answer("?", "a\x1b[2Jb", (citation(1, "c\x1b]0;d\x07"),)))


def test_a_notebook_shows_each_quote_as_a_blockquote_under_its_place() -> None:
    answer = Answer("?", "It leaves. [1]", (citation(1, "The ferry\nleaves.", "f.pdf", 2),))
    html = MarkdownIt("commonmark").render(answer._repr_markdown_())
    assert html == (
        "<p>It leaves. [1]</p>\n<p><strong>[1] f.pdf, page 2</strong></p>\n"
        "<blockquote>\n<p>The ferry<br />\nleaves.</p>\n</blockquote>\n"
    )


def test_blank_lines_of_a_quote_leave_no_backslash_behind() -> None:
    answer = Answer("?", "Yes.", (citation(1, "Three.\n\nFour.\n\n"),))
    html = MarkdownIt("commonmark").render(answer._repr_markdown_())
    assert html.endswith("<p>Three.<br />\n<br />\nFour.</p>\n</blockquote>\n")


@pytest.mark.parametrize("part", ["text", "quote", "source", "unsupported"])
def test_no_document_puts_markdown_or_html_into_a_notebook(part: str) -> None:
    text, quote, source, unsupported = (
        HOSTILE if part == name else "plain" for name in ("text", "quote", "source", "unsupported")
    )
    answer = Answer("?", text, (citation(1, quote, source),), unsupported=(unsupported,))
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    html = rendered.render(answer._repr_markdown_())
    assert set(re.findall(r"<(\w+)", html)) <= TAGS
    for line in HOSTILE.splitlines():
        words = " ".join(line.split())
        escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert escaped in html.replace("<br />", "")
    assert not re.search(r"(?<!\\)(www\.|https?:|@)", answer._repr_markdown_())


def test_reprs_are_short_and_hold_no_key(sample_index: Path, tmp_path: Path) -> None:
    key = "sk-very-secret"
    settings = Settings(index=sample_index, OPENAI_API_KEY=key, llm_base_url=f"http://u:{key}@h/v1")
    app = RagApp(settings)
    chat = app.chat()
    assert repr(app) == f"RagApp(index='{sample_index}', llm='extractive')"
    assert repr(chat) == f"Conversation({app!r}, questions=0)"
    assert repr(app.store) == f"Index('{sample_index}', embedding='bundled:e5-small-en-pt')"
    assert repr(app.chain()) == "RetrievalQA(retriever=HybridRetriever, llm='extractive')"
    secret = RagApp(settings, llm="x").using(llm=f"openai:m?key={key}")
    assert key not in f"{app!r}{chat!r}{app.store!r}{app.chain()!r}{secret!r}"


def test_dir_lists_the_public_names_and_loads_none() -> None:
    code = (
        "import sys, rag_app; names = dir(rag_app); "
        "assert 'rag_app.app' not in sys.modules; print(*names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == sorted(rag_app.__all__)


def test_another_index_is_opened_where_the_one_before_was(
    sample_index: Path, tmp_path: Path
) -> None:
    app = RagApp(index=sample_index)
    assert app.status().documents == 13
    assert app.using(top_k=2).store is app.store
    with pytest.raises(IndexMissingError, match=r"there is no index in .*none"):
        app.using(index=tmp_path / "none").status()
