"""Sentences are what answers quote: they must be whole, and no longer than one sentence."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.text.sentences import split_blocks, split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


WHOLE = [
    pytest.param("Dr. Smith met Mrs. Jones at St. Mary's.", id="titles"),
    pytest.param("O Sr. Silva e a Sra. Souza falaram com o Dr. Lima.", id="titles-pt"),
    pytest.param("A Profa. Ana e o Prof. Rui moram na Av. Brasil.", id="teachers-pt"),
    pytest.param("Use a retriever, e.g. BM25, or a model, i.e. MiniLM.", id="latin"),
    pytest.param("Há formatos abertos, p.ex. PDF, e outros, p. ex. DOCX.", id="por-exemplo"),
    pytest.param("Conforme o art. 5 da lei e o § 2 do cap. 3, é nulo.", id="article-pt"),
    pytest.param("Veja a pág. 12, a fig. 3 e o item nº. 4.", id="numbered-pt"),
    pytest.param("See Fig. 3, eq. 4 and pp. 12 to 14.", id="numbered"),
    pytest.param("The price rose from 3.14 to 1.000,50 in v2.0.1.", id="decimals"),
    pytest.param("It was written by J. R. R. Tolkien and George W. Bush.", id="initials"),
    pytest.param("The U.S. Senate and the U.K. Parliament met.", id="countries"),
    pytest.param("It was blessed by Fr. Brown and Msgr. Ryan.", id="clergy"),
    pytest.param("Casou-se na igreja de Sto. Amaro com o Pe. Manuel.", id="clergy-pt"),
    pytest.param("They played the sonata op. 27 and opp. 9 to 11.", id="works"),
    pytest.param("Mora na rua A, nr. 12, bl. 3, apt. 41.", id="address-pt"),
    pytest.param("Vaswani et al. (2017) introduced it.", id="et-al"),
    pytest.param("Apple Inc. Notes due 2024 are listed.", id="company"),
    pytest.param("Open https://example.com/a.b?c=d.e now.", id="address"),
    pytest.param("She said 'wait... then go' and left.", id="ellipsis"),
    pytest.param("1. First item of a list.", id="numbered-item"),
    pytest.param("Item 2. Management's Discussion", id="numbered-title"),
    pytest.param("2.1. Retrieval", id="section-number"),
    pytest.param("It ends at 5 p.m. on Monday.", id="lowercase-after"),
]


@pytest.mark.parametrize("text", WHOLE)
def test_a_dot_that_ends_nothing_does_not_split(text: str) -> None:
    assert sentences(text) == [text]


SPLIT = [
    pytest.param(
        "Ana    12    a@b.c\nRui    13    d@e.f",
        ["Ana    12    a@b.c", "Rui    13    d@e.f"],
        id="columns",
    ),
    pytest.param("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"], id="marks"),
    pytest.param("The answer is no. We left.", ["The answer is no.", "We left."], id="no"),
    pytest.param("It is modern art. He likes it.", ["It is modern art.", "He likes it."], id="art"),
    pytest.param("Em 2017. Depois mudou.", ["Em 2017.", "Depois mudou."], id="year"),
    pytest.param("Made in the U.S. The rest.", ["Made in the U.S.", "The rest."], id="starter"),
    pytest.param("Maçãs, peras, etc. Os preços.", ["Maçãs, peras, etc.", "Os preços."], id="etc"),
    pytest.param('He said "stop." Then left.', ['He said "stop."', "Then left."], id="quote"),
    pytest.param("(See below.) The end.", ["(See below.)", "The end."], id="parenthesis"),
    pytest.param("It flew.[12] Then fell.", ["It flew.[12]", "Then fell."], id="reference"),
    pytest.param("Wait... Then go.", ["Wait...", "Then go."], id="ellipsis"),
    pytest.param("It is **bold.** Next.", ["It is **bold.**", "Next."], id="markdown"),
    pytest.param("Ok. 3 files left.", ["Ok.", "3 files left."], id="digit-after"),
    pytest.param("É isso. “Certo”, disse.", ["É isso.", "“Certo”, disse."], id="quote-after"),
    pytest.param("これは本です。あれは？", ["これは本です。", "あれは？"], id="japanese"),
]


@pytest.mark.parametrize(("text", "expected"), SPLIT)
def test_a_sentence_ends_at_its_mark(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


WRAPPED = (
    "The quick brown fox jumps over the lazy dog and then\n"
    "runs away into the dark forest behind the old house.\n"
    "Nobody saw it again. The dog slept on as if nothing in\n"
    "Lisbon had happened at all that day."
)


def test_a_wrapped_line_does_not_end_a_sentence() -> None:
    assert sentences(WRAPPED) == [
        "The quick brown fox jumps over the lazy dog and then\n"
        "runs away into the dark forest behind the old house.",
        "Nobody saw it again.",
        "The dog slept on as if nothing in\nLisbon had happened at all that day.",
    ]


def test_line_ends_of_windows_change_nothing() -> None:
    windows = WRAPPED.replace("\n", "\r\n")
    assert [s.replace("\r\n", "\n") for s in sentences(windows)] == sentences(WRAPPED)


LINES = [
    pytest.param("A title\n\nA text", ["A title", "A text"], id="blank-line"),
    pytest.param("# A title\nA text", ["# A title", "A text"], id="heading"),
    pytest.param("A title\n=======\nA text", ["A title\n=======", "A text"], id="setext"),
    pytest.param("To buy:\n- milk\n- bread", ["To buy:", "- milk", "- bread"], id="list"),
    pytest.param("Steps\n1. Load\n2. Split", ["Steps", "1. Load", "2. Split"], id="numbers"),
    pytest.param("a) um\nb) dois", ["a) um", "b) dois"], id="letters"),
    pytest.param(
        "| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |\n|---|---|", "| 1 | 2 |"], id="table"
    ),
    pytest.param(
        "Products $ 60,584 $ 63,355 $ 230,901 $ 245,241\nServices 21,213 19,604 62,886 58,941",
        [
            "Products $ 60,584 $ 63,355 $ 230,901 $ 245,241",
            "Services 21,213 19,604 62,886 58,941",
        ],
        id="figures",
    ),
    pytest.param(
        "Global Trade\nDuring the third quarter the government announced new rules.",
        ["Global Trade", "During the third quarter the government announced new rules."],
        id="short-line",
    ),
    pytest.param(
        "Run it:\n```\nprint(1). Now\n\nprint(2)\n```\nDone.",
        ["Run it:", "```\nprint(1). Now\n\nprint(2)\n```", "Done."],
        id="code",
    ),
    pytest.param("```\nnever closed. Yes", ["```", "never closed.", "Yes"], id="open-fence"),
]


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_items_rows_headings_and_code_are_sentences_of_their_own(
    text: str, expected: list[str]
) -> None:
    assert sentences(text) == expected


def test_blocks_are_the_paragraphs_of_a_text_without_blank_lines() -> None:
    text = f"{WRAPPED}\nA title\n{WRAPPED}"
    blocks = [text[start:end] for start, end in split_blocks(text)]
    assert blocks == [WRAPPED, "A title", WRAPPED]


TEXTS = st.text(
    st.one_of(
        st.sampled_from("aZ9é.!?…:,;()[]\"'“”-*#|`~>=\t\n\r\f\x85\u2028 \xa0。ãçß😀\u200d\u0301\0"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=300,
)


@settings(deadline=None)
@given(TEXTS)
def test_every_visible_character_is_in_exactly_one_sentence(text: str) -> None:
    spans = split_sentences(text)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    kept = "".join(text[start:end] for start, end in spans)
    assert "".join(kept.split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("." * 200_000, id="dots"),
        pytest.param("." + "'" * 200_000, id="quotes"),
        pytest.param("~~~x\n" * 40_000, id="fences-never-closed"),
        pytest.param("1 " * 100_000, id="figures"),
        pytest.param("a\n" * 100_000, id="short-lines"),
    ],
)
def test_no_text_takes_more_than_linear_time(text: str) -> None:
    start = time.process_time()
    split_sentences(text)
    assert time.process_time() - start < 3
