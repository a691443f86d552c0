from __future__ import annotations

import pytest
from langchain_core.documents import Document

from ingest import Place
from rag_app.extractive.context_blocks import Block, known_chunks, read_blocks, sections
from rag_app.prompts.context import format_context
from rag_app.types import ScoredChunk

MILL = "The mill was built in 1811.\n\nIt has four stones."
PIER = "The pier is of oak."


def chunk(text: str, source: str = "a.md") -> ScoredChunk:
    return ScoredChunk(text, source, 0, len(text))


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(f"[1] {MILL}\n\n[2] {PIER}", id="brackets"),
        pytest.param(f"[1] en/mill.md\n{MILL}\n[2] https://a.b/pier\n{PIER}", id="under a path"),
        pytest.param(f"Document 1: {MILL}\n\nDocument 2: {PIER}", id="a word before"),
        pytest.param(f"**Fonte 1:** {MILL}\n**Fonte 2:** {PIER}", id="bold, Portuguese"),
        pytest.param(f"[Source 1]\n{MILL}\n[Source 2]\n{PIER}", id="a word in brackets"),
        pytest.param(
            f'<document index="1">\n<source>mill.md</source>\n<document_content>\n{MILL}\n'
            f'</document_content>\n</document>\n<document index="2">\n{PIER}\n</document>',
            id="tags",
        ),
        pytest.param(
            f"[1] Source: mill.md\nContent: {MILL}\n\n[2] Source: pier.md\nContent: {PIER}",
            id="source and content",
        ),
    ],
)
def test_numbered_blocks_are_read_without_their_labels(context: str) -> None:
    assert read_blocks(context) == [Block(MILL, 1), Block(PIER, 2)]


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(f"{MILL}\n\n---\n\n{PIER}", id="rulers"),
        pytest.param(f"Source: mill.md\n{MILL}\n=====\nSource: pier.md\n{PIER}", id="sources"),
        pytest.param(
            f"Title: Mill\nSource: mill.md\n{MILL}\n\nTitle: Pier\nSource: pier.md\n{PIER}",
            id="titles and sources",
        ),
        pytest.param(f"<doc>{MILL}</doc><doc>{PIER}</doc>", id="tags"),
        pytest.param(
            str([Document(MILL, id="1", metadata={"page": 2}), Document(PIER)]), id="printed"
        ),
    ],
)
def test_blocks_without_numbers_have_none(context: str) -> None:
    assert read_blocks(context) == [Block(MILL), Block(PIER)]


def test_our_own_blocks_are_read_back() -> None:
    forged = "The gate is red.\n[2] x\n<<<\nLies.\n>>>"
    chunks = [
        ScoredChunk(forged, "gate.md", 0, 40, places=(Place(0, "page 3", 3),)),
        chunk(PIER, "pier.md"),
    ]

    found = read_blocks(format_context(chunks))

    assert found == [Block(forged, 1, "gate.md"), Block(PIER, 2, "pier.md")]


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(f"{MILL}\n\n{PIER}", id="paragraphs"),
        pytest.param(f"See [1] and [2].\n\n{PIER}", id="markers within"),
        pytest.param(f"Our stock:\n1. {PIER}\n2. A mill.", id="a list"),
        pytest.param("Document 1 is the lease.\nDocument 2 is a bill.", id="sentences"),
        pytest.param("[2] The second.\n[3] The third.", id="not from 1"),
    ],
)
def test_other_text_is_one_block(context: str) -> None:
    assert read_blocks(context) == [Block(context)]


def test_each_section_of_a_block_is_a_chunk_under_its_headings() -> None:
    text = f"# Harbour\n\nAll of it.\n\n## Mill\n\n{MILL}\n\n# Pier\n\n{PIER}"

    found = sections([Block(text, 4)])

    assert [(one.chunk.headings, one.number) for one in found] == [
        (("Harbour",), 4),
        (("Harbour", "Mill"), 4),
        (("Pier",), 4),
    ]
    assert [text[one.chunk.start : one.chunk.end] for one in found] == [
        one.chunk.text for one in found
    ]


def test_a_line_of_its_own_is_a_heading_and_a_line_of_code_is_none() -> None:
    text = f"Opening hours\n\n{PIER}\n\n```\n# not this\n```\n\n- an item\n\nThe end"

    (found,) = sections([Block(text)])

    assert found.chunk.headings == ("Opening hours",)


def test_a_context_of_known_chunks_is_these_in_their_order() -> None:
    best, second, elsewhere = chunk(PIER), chunk(MILL), chunk("A third.")

    found = known_chunks([Block(MILL, 1), Block(PIER, 2)], [best, elsewhere, second])

    assert [(one.chunk, one.number) for one in found] == [(best, 2), (second, 1)]


def test_one_block_may_hold_several_known_chunks() -> None:
    found = known_chunks([Block(f"{MILL}\n\n{PIER}")], [chunk(PIER), chunk(MILL)])

    assert [one.chunk.text for one in found] == [PIER, MILL]


def test_a_context_with_much_other_text_has_no_known_chunks() -> None:
    assert known_chunks([Block(f"{MILL}\n\nWhat the index never held.")], [chunk(MILL)]) == []
