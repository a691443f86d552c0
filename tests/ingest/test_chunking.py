"""Chunks are verbatim, whole and within the limits of the embedding model."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from public_documents import load_folder
from tokenizers import Tokenizer

from ingest.chunking import split_document
from ingest.embeddings import e5, minilm
from ingest.text.sentences import split_sentences
from ingest.types import Chunk, Document, Heading, Place


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return minilm_tokenizer()


@cache
def minilm_tokenizer() -> Tokenizer:
    return minilm.read_tokenizer()


@cache
def e5_tokenizer() -> Tokenizer:
    return e5.read_tokenizer()


def count(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False))


HEADED = Document(
    "x" * 40,
    headings=tuple(
        Heading(start, level, title)
        for start, level, title in [
            (5, 2, "Soils"),
            (10, 1, "Plants"),
            (15, 3, "Ferns"),
            (15, 3, "Mosses"),
            (20, 2, "Trees"),
            (30, 1, "Beasts"),
        ]
    ),
)


@pytest.mark.parametrize(
    ("offset", "titles"),
    [
        (0, []),
        (4, []),
        (5, ["Soils"]),
        (9, ["Soils"]),
        (10, ["Plants"]),
        (15, ["Plants", "Mosses"]),
        (29, ["Plants", "Trees"]),
        (40, ["Beasts"]),
    ],
)
def test_an_offset_stands_under_the_headings_of_its_sections(
    offset: int, titles: list[str]
) -> None:
    assert [heading.title for heading in HEADED.headings_at(offset)] == titles


def check(document: Document, chunks: list[Chunk], tokenizer: Tokenizer, limit: int) -> None:
    text = document.text
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != ""
        assert count(tokenizer, chunk.text) <= limit or len(chunk.text) == 1
    assert all(a.end <= b.start for a, b in pairwise(chunks))
    assert "".join("".join(c.text.split()) for c in chunks) == "".join(text.split())


SENTENCE = "The museum opens at nine and closes at five on every day of the week. "


def test_a_short_text_is_one_chunk(tokenizer: Tokenizer) -> None:
    document = Document("  Hello world.\n\nIt is late.\n")
    chunks = split_document(document, tokenizer, 200, 256)
    assert chunks == [Chunk("Hello world.\n\nIt is late.", 2, 27)]


def test_an_empty_text_has_no_chunks(tokenizer: Tokenizer) -> None:
    assert split_document(Document(" \n\t"), tokenizer, 200, 256) == []


def test_chunks_are_made_of_whole_sentences(tokenizer: Tokenizer) -> None:
    document = Document(SENTENCE * 60)
    chunks = split_document(document, tokenizer, 100, 256)
    check(document, chunks, tokenizer, 100)
    assert all(c.text.startswith("The museum") and c.text.endswith("week.") for c in chunks)
    assert all(count(tokenizer, c.text) > 50 for c in chunks)


def test_a_chunk_ends_at_a_paragraph_rather_than_at_a_later_sentence(
    tokenizer: Tokenizer,
) -> None:
    first, second = SENTENCE * 4, SENTENCE * 20
    chunks = split_document(Document(f"{first.strip()}\n\n{second}"), tokenizer, 100, 256)
    assert chunks[0].text == first.strip()


def test_a_tail_of_a_few_words_is_not_left_over(tokenizer: Tokenizer) -> None:
    one = count(tokenizer, SENTENCE)
    chunks = split_document(Document(SENTENCE * 11), tokenizer, one * 10, one * 10 + 56)
    sizes = [count(tokenizer, c.text) // one for c in chunks]
    assert sorted(sizes) == [5, 6]


GUIDE = Document(
    "\n\n".join(
        (
            "# Guide",
            "## Install",
            SENTENCE * 6,
            "### On Linux",
            SENTENCE * 6,
            "## Use",
            "Short.",
            "# Appendix",
            SENTENCE,
        )
    )
)
GUIDE = replace(
    GUIDE,
    headings=tuple(
        Heading(GUIDE.text.index(f"{marks} {title}"), len(marks), title)
        for marks, title in (
            ("#", "Guide"),
            ("##", "Install"),
            ("###", "On Linux"),
            ("##", "Use"),
            ("#", "Appendix"),
        )
    ),
)


def test_a_new_section_starts_a_new_chunk(tokenizer: Tokenizer) -> None:
    chunks = split_document(GUIDE, tokenizer, 200, 256)
    assert [c.text.splitlines()[0] for c in chunks] == [
        "# Guide",
        "### On Linux",
        "## Use",
        "# Appendix",
    ]


def test_headings_are_the_sections_around_the_whole_chunk(tokenizer: Tokenizer) -> None:
    chunks = split_document(GUIDE, tokenizer, 200, 256)
    assert [c.headings for c in chunks] == [
        ("Guide",),
        ("Guide", "Install", "On Linux"),
        ("Guide", "Use"),
        ("Appendix",),
    ]


def numbered(*starts: int) -> tuple[Place, ...]:
    return tuple(Place(at, f"page {page}", page) for page, at in enumerate(starts, 1))


def test_page_is_the_page_of_the_first_character(tokenizer: Tokenizer) -> None:
    pages = [SENTENCE * 3, SENTENCE * 3, SENTENCE * 3]
    text = "\n".join(pages)
    starts = (0, len(pages[0]) + 1, 2 * (len(pages[0]) + 1))
    chunks = split_document(Document(text, numbered(*starts)), tokenizer, 20, 256)
    assert [c.places[0].page for c in chunks] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_a_chunk_over_several_pages_knows_where_they_begin(tokenizer: Tokenizer) -> None:
    document = Document("One and\ntwo and\nthree.", numbered(0, 8, 16))
    (chunk,) = split_document(document, tokenizer, 200, 256)
    assert chunk.places == numbered(0, 8, 16)


def test_a_chunk_knows_the_line_it_begins_on(tokenizer: Tokenizer) -> None:
    text = "\n".join([SENTENCE] * 9)
    chunks = split_document(Document(text, (Place(0, line=1),)), tokenizer, 20, 256)
    assert [(c.places[0].line, len(c.places)) for c in chunks] == [
        (text.count("\n", 0, c.start) + 1, 1) for c in chunks
    ]
    assert chunks[-1].places[0].line > 7


def test_a_text_without_places_has_none(tokenizer: Tokenizer) -> None:
    assert split_document(GUIDE, tokenizer, 200, 256)[0].places == ()


def test_outer_headings_are_dropped_where_they_do_not_fit(tokenizer: Tokenizer) -> None:
    text = SENTENCE * 12
    headings = (Heading(0, 1, "long title " * 30), Heading(0, 2, "short title"))
    chunks = split_document(Document(text, headings=headings), tokenizer, 200, 256)
    assert {c.headings for c in chunks} == {("short title",)}


def test_headings_that_never_fit_are_left_out(tokenizer: Tokenizer) -> None:
    document = Document(SENTENCE * 12, headings=(Heading(0, 1, "word " * 500),))
    chunks = split_document(document, tokenizer, 200, 256)
    assert {c.headings for c in chunks} == {()}


def test_a_long_sentence_is_cut_after_a_clause(tokenizer: Tokenizer) -> None:
    document = Document("a cat and a dog, " * 40)
    chunks = split_document(document, tokenizer, 32, 256)
    check(document, chunks, tokenizer, 32)
    assert all(c.text.startswith("a cat") and c.text.endswith("dog,") for c in chunks)


def test_a_sentence_without_clauses_is_cut_between_words(tokenizer: Tokenizer) -> None:
    document = Document("word " * 300)
    chunks = split_document(document, tokenizer, 32, 256)
    check(document, chunks, tokenizer, 32)
    assert all(set(c.text.split()) == {"word"} for c in chunks)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 20_000, id="one-unknown-token"),
        pytest.param("é😀漢" * 3_000, id="unicode"),
        pytest.param("aGVsbG8gd29ybGQ+/" * 2_000, id="base64"),
        pytest.param("=" * 60_000, id="a-rule"),
    ],
)
def test_a_monster_word_is_cut_into_chunks_of_bounded_size(tokenizer: Tokenizer, text: str) -> None:
    document = Document(text)
    chunks = split_document(document, tokenizer, 200, 256)
    check(document, chunks, tokenizer, 200)
    assert max(len(c.text) for c in chunks) <= 1_000


def test_words_that_the_tokenizer_joins_over_a_control_character_still_fit(
    tokenizer: Tokenizer,
) -> None:
    document = Document("00000000\x850A0002:0 00000000210A0002")
    check(document, split_document(document, tokenizer, 16, 64), tokenizer, 16)


def test_a_heading_inside_a_sentence_still_starts_a_chunk(tokenizer: Tokenizer) -> None:
    text = SENTENCE * 4 + "no mark before the Title and " + SENTENCE * 4
    start = text.index("Title")
    document = Document(text, headings=(Heading(start, 1, "Title"),))
    chunks = split_document(document, tokenizer, 200, 256)
    assert [c.start for c in chunks] == [0, start]


PARTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            "\n",
            "\r\n",
            "\n\n",
            " ",
            ". ",
            "😀👩‍👩‍👧",
            "# t\n",
            "| a | b |\n",
            "- x\n",
            "漢字。",
            "\u3000",
        ]
    ),
    st.integers(1, 400).map(lambda n: "w" * n),
    st.sampled_from(["The end. ", "um dois três ", "O Sr. Lima. "]),
)


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(PARTS, max_size=40),
    limit=st.sampled_from([16, 24, 40, 200]),
    titles=st.lists(st.text("ab c", max_size=60), max_size=3),
    data=st.data(),
)
def test_chunks_keep_their_promises_on_any_text(
    parts: list[str], limit: int, titles: list[str], data: st.DataObject
) -> None:
    tokenizer = data.draw(st.sampled_from([e5_tokenizer, minilm_tokenizer]))()
    text = "".join(parts)
    starts = sorted(data.draw(st.integers(0, len(text))) for _ in titles)
    headings = tuple(
        Heading(start, data.draw(st.integers(1, 6)), title)
        for start, title in zip(starts, titles, strict=True)
    )
    document = Document(text, headings=headings)
    chunks = split_document(document, tokenizer, limit, 64)
    check(document, chunks, tokenizer, min(limit, 62))
    assert all(len(tokenizer.encode(c.embedding_text)) <= 64 for c in chunks)


def test_a_megabyte_is_cut_in_seconds(tokenizer: Tokenizer) -> None:
    document = Document((SENTENCE * 8 + "\n\n") * 1_800)
    start = time.process_time()
    chunks = split_document(document, tokenizer, 200, 256)
    assert time.process_time() - start < 5.0
    check(document, chunks, tokenizer, 200)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["sec-10-q", "xquad-en", "fastapi-docs"])
def test_real_documents_are_hardly_ever_cut_inside_a_sentence(
    tokenizer: Tokenizer, folder: str
) -> None:
    inside = total = 0
    for path, document, _ in load_folder(folder):
        assert isinstance(document, Document), path
        chunks = split_document(document, tokenizer, 200, 256)
        starts = {start for start, _ in split_sentences(document.text)}
        starts |= {heading.start for heading in document.headings}
        check(document, chunks, tokenizer, 200)
        assert all(len(tokenizer.encode(c.embedding_text)) <= 256 for c in chunks)
        inside += sum(c.start not in starts for c in chunks)
        total += len(chunks)
    assert inside / total < 0.03
