from __future__ import annotations

import functools
from dataclasses import fields, replace

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from ingest import (
    EmbeddingModel,
    IndexSettings,
    ScoredSpan,
    detect_language,
    embedding_model,
    split_sentences,
)
from ingest.embeddings.bundled import BundledEmbeddings
from rag_app.attribution.citations import cite
from rag_app.extractive.chat_model import ExtractiveChatModel
from rag_app.extractive.evidence import Evidence, EvidenceMessage
from rag_app.extractive.selection import Sentence, choose
from rag_app.extractive.sentence_features import (
    Candidate,
    Features,
    candidates,
    misses_number,
    with_sentences,
)
from rag_app.types import ABSTENTION, ScoredChunk, Section

HANDBOOK = (
    "Leave\n\nEmployees of Brightwater get 22 days of paid annual leave. How many days may be "
    "carried over? Up to five unused days may be carried over until March. Sick leave needs a "
    "doctor's note after 3 days."
)
HISTORY = (
    "The company was founded by Maria Souza in Lisbon. It opened its second office in 2014, in "
    "Porto. Today the company has 180 employees. Dr. Alan Reed has led the company since 2019."
)
REGULAMENTO = (
    "A matrícula é feita no início de cada semestre. O aluno pode trancar a matrícula por até "
    "quatro semestres. A biblioteca central fica aberta até as 22 horas."
)


@functools.cache
def bundled() -> EmbeddingModel:
    return embedding_model(IndexSettings())


def chunk(text: str, source: str, score: float = 1.0) -> ScoredChunk:
    return ScoredChunk(text, source, 0, len(text), score=score)


CHUNKS = [chunk(HANDBOOK, "handbook.md", 0.0), chunk(HISTORY, "history.md", 0.0)]
CHUNKS_PT = [chunk(REGULAMENTO, "regulamento.md")]


def asked(question: str, chunks: list[ScoredChunk]) -> HumanMessage:
    return EvidenceMessage(content="…", evidence=Evidence(question, chunks))


@pytest.fixture(scope="module")
def model() -> ExtractiveChatModel:
    return ExtractiveChatModel(embedding=bundled())


@pytest.mark.parametrize(
    ("question", "chunks", "sentence"),
    [
        pytest.param(
            "How many days of annual leave do employees get?",
            CHUNKS,
            "Employees of Brightwater get 22 days of paid annual leave. [1]",
            id="how many",
        ),
        pytest.param(
            "Who founded the company?",
            CHUNKS,
            "The company was founded by Maria Souza in Lisbon. [2]",
            id="who",
        ),
        pytest.param(
            "When did the second office open?",
            CHUNKS,
            "It opened its second office in 2014, in Porto. [2]",
            id="when",
        ),
        pytest.param(
            "How many unused days may be carried over?",
            CHUNKS,
            "Up to five unused days may be carried over until March. [1]",
            id="a question in the text is no answer",
        ),
        pytest.param(
            "Por quantos semestres o aluno pode trancar a matrícula?",
            CHUNKS_PT,
            "O aluno pode trancar a matrícula por até quatro semestres. [1]",
            id="quantos",
        ),
        pytest.param(
            "Ate que horas a biblioteca fica aberta?",
            CHUNKS_PT,
            "A biblioteca central fica aberta até as 22 horas. [1]",
            id="without accents",
        ),
    ],
)
def test_the_answer_is_the_sentence_word_for_word(
    model: ExtractiveChatModel, question: str, chunks: list[ScoredChunk], sentence: str
):
    assert model.invoke([asked(question, chunks)]).content == sentence


@pytest.mark.parametrize(
    ("question", "chunks", "language"),
    [
        ("What is the boiling point of mercury?", CHUNKS, "en"),
        ("Qual é a capital da Mongólia?", CHUNKS_PT, "pt"),
        ("How many days of annual leave do employees get?", [], "en"),
        ("Quem fundou a empresa?", [], "pt"),
        ("What is it?", [chunk("--- *** ---\n\n=====", "rule.md")], "en"),
    ],
)
def test_it_abstains_in_the_language_of_the_question(
    model: ExtractiveChatModel, question: str, chunks: list[ScoredChunk], language: str
):
    assert model.invoke([asked(question, chunks)]).content == ABSTENTION[language]


def test_plain_chat_without_a_context_says_what_it_misses(model: ExtractiveChatModel):
    said = str(model.invoke("Who founded the company?").content)
    assert said.startswith("The extractive model needs a context to quote from")


def test_a_stream_yields_one_sentence_at_a_time_and_adds_up(model: ExtractiveChatModel):
    message = asked("How has the company been led since it opened its office?", CHUNKS)
    pieces = [str(piece.text) for piece in model.stream([message]) if piece.text]
    assert "".join(pieces) == model.invoke([message]).content
    assert pieces == [
        "It opened its second office in 2014, in Porto. [2]",
        " Today the company has 180 employees. [2]",
        " Dr. Alan Reed has led the company since 2019. [2]",
    ]


def test_sentences_without_a_full_stop_stay_apart_and_are_quoted_exactly(
    model: ExtractiveChatModel,
):
    lines = [
        "Opening hours of the office on Monday: 9 to 17",
        "Opening hours of the lab on Monday: 8",
    ]
    table = [chunk(line, f"{n}.md") for n, line in enumerate(lines)]
    text = str(model.invoke([asked("What are the opening hours on Monday?", table)]).content)
    assert text == f"{lines[0]} [1]\n\n{lines[1]} [2]"
    assert [citation.quote for citation in cite(text, table).citations] == lines


def test_a_wrapped_sentence_is_one_sentence_and_is_quoted_exactly(model: ExtractiveChatModel):
    page = "The contract with\nMercado Azul expires on 30 September 2026."
    chunks = [chunk(f"The largest customer accounts for 31 percent of all sales. {page}", "a.pdf")]
    question = "When does the contract with Mercado Azul expire?"
    text = str(model.invoke([asked(question, chunks)]).content)
    assert text == "The contract with Mercado Azul expires on 30 September 2026. [1]"
    cited = cite(text, chunks)
    assert cited.text == text
    assert [(one.quote, one.verified) for one in cited.citations] == [(page, True)]


def test_code_keeps_its_lines(model: ExtractiveChatModel):
    code = "```python\nLIMIT = 7  # how often the poller tries again\npoll(LIMIT)\n```"
    text = model.invoke([asked("How often does the poller try again?", [chunk(code, "a.md")])])
    assert text.content == f"{code} [1]"


POLICY = """# Travel policy

| Country | Hotel limit | Meals |
|---|---|---|
| Portugal | 120 EUR | 50 EUR |
| Switzerland | 210 CHF | 80 CHF |
| Norway | 1900 NOK | 700 NOK |
"""
MINUTES = """# Ata da assembleia do condomínio

A assembleia foi realizada em 12 de março de 2025. Estavam presentes 31 condôminos.
"""
AGREEMENT = "LEASE AGREEMENT FOR OFFICE 4B\n\nThe lease of the office ends on 30 June 2028."


@pytest.mark.parametrize(
    ("question", "text", "headings", "answer"),
    [
        pytest.param(
            "What is the hotel limit in Switzerland?",
            POLICY,
            ("Travel policy",),
            "Country: Switzerland; Hotel limit: 210 CHF; Meals: 80 CHF [1]",
            id="a row, by the words at the top of its table",
        ),
        pytest.param(
            "Quando foi a assembleia do condomínio?",
            MINUTES,
            ("Ata da assembleia do condomínio",),
            "A assembleia foi realizada em 12 de março de 2025. [1] "
            "Estavam presentes 31 condôminos. [1]",
            id="not the heading",
        ),
        pytest.param(
            "When does the lease of the office end?",
            AGREEMENT,
            (),
            "The lease of the office ends on 30 June 2028. [1]",
            id="not a line in capitals",
        ),
    ],
)
def test_what_answers_is_quoted_and_not_its_title(
    model: ExtractiveChatModel, question: str, text: str, headings: tuple[str, ...], answer: str
):
    only = ScoredChunk(text, "a.md", 0, len(text), headings=headings, score=1.0)
    assert model.invoke([asked(question, [only])]).content == answer


def test_the_model_prints_short(model: ExtractiveChatModel):
    assert len(repr(model)) < 300


def test_sentences_come_in_reading_order_and_once(model: ExtractiveChatModel):
    twice = [*CHUNKS, chunk(HISTORY, "copy.md", 0.8)]
    text = str(model.invoke([asked("What has the company opened and led?", twice)]).content)
    quoted = [part.strip() for part in text.replace("[1]", "|").replace("[2]", "|").split("|")][:-1]
    assert len(set(quoted)) == len(quoted)
    assert [HISTORY.find(part) for part in quoted] == sorted(HISTORY.find(part) for part in quoted)


def test_one_sentence_of_many_is_found(model: ExtractiveChatModel):
    text = " ".join(f"Room number {n} is on floor {n % 7}." for n in range(400))
    answer = model.invoke([asked("On which floor is room 333?", [chunk(text, "rooms.md")])])
    assert "Room number 333 is on floor 4. [1]" in str(answer.content)


@pytest.mark.parametrize(
    ("question", "chunks", "sentence"),
    [
        pytest.param(
            "Quem fundou a empresa?",
            CHUNKS[1:],
            "The company was founded by Maria Souza in Lisbon.",
            id="asked in Portuguese",
        ),
        pytest.param(
            "Is the central library open until 22 hours?",
            CHUNKS_PT,
            "A biblioteca central fica aberta até as 22 horas.",
            id="asked in English",
        ),
    ],
)
def test_a_sentence_in_the_other_language_is_quoted(
    model: ExtractiveChatModel, question: str, chunks: list[ScoredChunk], sentence: str
):
    text = str(model.invoke([asked(question, chunks)]).content)
    cited = cite(text, chunks)
    assert sentence in [citation.quote for citation in cited.citations]
    assert cited.unsupported == ()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are embedded as documents from now on."""
    texts: list[str] = []
    whole = BundledEmbeddings.embed_stretches

    def embed_stretches(self: BundledEmbeddings, given: list[str], spans: object) -> object:
        texts.extend(given)
        return whole(self, given, spans)  # type: ignore[arg-type]

    monkeypatch.setattr(BundledEmbeddings, "embed_stretches", embed_stretches)
    return texts


def test_chunks_of_any_other_retriever_are_read_then(model: ExtractiveChatModel, read: list[str]):
    question = "Who founded the company?"
    text = str(model.invoke([asked(question, CHUNKS)]).content)
    assert read == [HANDBOOK, HISTORY]
    assert "The company was founded by Maria Souza in Lisbon. [2]" in text


def test_chunks_that_come_with_sentences_are_not_read_again(
    model: ExtractiveChatModel, read: list[str]
):
    question = "Who founded the company?"
    known = with_sentences(question, CHUNKS, bundled())
    read.clear()
    text = model.invoke([asked(question, list(known))]).content
    assert read == []
    assert with_sentences(question, known, bundled()) == known
    assert text == model.invoke([asked(question, CHUNKS)]).content


def test_a_chunk_is_read_under_its_headings(read: list[str]):
    under = ScoredChunk(HISTORY, "a.md", 0, len(HISTORY), headings=("About us", "History"))
    with_sentences("Who founded it?", [under], bundled())
    assert read == [f"About us > History\n{HISTORY}"]


def test_one_chunk_without_sentences_lets_all_be_read(read: list[str]):
    question = "Who founded the company?"
    (known,) = with_sentences(question, CHUNKS[:1], bundled())
    read.clear()
    both = with_sentences(question, [known, CHUNKS[1]], bundled())
    assert read == [HANDBOOK, HISTORY]
    assert [chunk.source for chunk in both] == ["handbook.md", "history.md"]
    assert all(chunk.sentences for chunk in both)


def test_a_chunk_longer_than_the_model_reads_is_read_in_parts(read: list[str]):
    text = " ".join(f"Room number {n} is on floor {n % 7}." for n in range(400))
    long = ScoredChunk(text, "a.md", 0, len(text), headings=("Rooms",))
    (found,) = with_sentences("On which floor is room 333?", [long], bundled())
    limit = bundled().identity.max_tokens
    assert len(read) > 1
    assert all(len(bundled().tokenizer.encode(f"passage: {part}")) <= limit for part in read)
    assert "".join(part.removeprefix("Rooms\n") for part in read) == text
    assert [(one.start, one.end) for one in found.sentences] == list(split_sentences(text))
    assert all(one.cosine > 0.5 for one in found.sentences)


def test_a_sentence_is_scored_as_it_reads_within_its_chunk():
    question = "Who founded the company?"
    (found,) = with_sentences(question, CHUNKS[1:], bundled())
    spans = [(one.start, one.end) for one in found.sentences]
    best = max(found.sentences, key=lambda one: one.cosine)
    query = bundled().embed_query(question)
    assert spans == list(split_sentences(HISTORY))
    assert HISTORY[best.start : best.end] == "The company was founded by Maria Souza in Lisbon."
    assert found.dense == pytest.approx(
        float(bundled().embed_documents([HISTORY])[0] @ query), abs=1e-3
    )


def test_the_features_of_a_sentence():
    text = "The pond is new. It was dug in 1998. Who dug the pond"
    spans = tuple(ScoredSpan(a, b, 0.1 * n) for n, (a, b) in enumerate(split_sentences(text)))
    only = ScoredChunk(text, "a.md", 0, len(text), score=0.5, sentences=spans)
    first, second, third = (
        one.features for one in candidates("When was the pond dug?", [only], "en")
    )
    assert [one.cosine for one in (first, second, third)] == [0.0, 0.1, 0.2]
    assert (second.asked, second.retrieved, second.across) == (1.0, 1.0, 0.0)
    assert (second.terms > 0, second.before > 0, second.above) == (True, True, 0.0)
    assert second.terms + second.before == pytest.approx(1)
    assert (third.terms, third.asked) == (pytest.approx(1), 0.0)
    assert (first.terms > 0, first.before, first.above) == (True, 0.0, 0.0)


def read_alone(question: str, chunk: ScoredChunk) -> list[Candidate]:
    """What a chunk says, each sentence with the same cosine."""
    spans = tuple(ScoredSpan(a, b, 0.8) for a, b in split_sentences(chunk.text))
    return candidates(question, [replace(chunk, sentences=spans)], detect_language(question))


LEASE = """## Deposit

The Tenant pays GBP 900.

## Repairs

The Tenant repairs the roof:

- the tiles
- the gutters. They are cleaned in May.

| Part | Every | Who |
|---|---|---|
| tiles | 3 years | Orla |
| gutters | 1 year | Finn |
"""


def lease() -> ScoredChunk:
    sections = tuple(
        Section(LEASE.index(f"## {title}"), ("Lease of the mill", title))
        for title in ("Deposit", "Repairs")
    )
    return ScoredChunk(
        LEASE, "wool-traders.md", 0, len(LEASE), title="Lease of the mill", sections=sections
    )


def test_what_stands_above_a_sentence_counts_as_said_of_it():
    question = "What deposit do the wool traders pay for the mill?"
    read = {one.text: one for one in read_alone(question, lease())}
    deposit, repairs = read["The Tenant pays GBP 900."], read["The Tenant repairs the roof:"]
    assert deposit.features.terms + deposit.features.above == pytest.approx(1)
    # The heading above it is another; the rest stands above the whole file.
    assert 0 < repairs.features.above < deposit.features.above


def test_headings_and_the_heads_of_tables_are_no_answers():
    assert [one.text for one in read_alone("Who repairs the gutters?", lease())] == [
        "The Tenant pays GBP 900.",
        "The Tenant repairs the roof:",
        "- the tiles",
        "- the gutters.",
        "They are cleaned in May.",
        "| tiles | 3 years | Orla |",
        "| gutters | 1 year | Finn |",
    ]


@pytest.mark.parametrize(
    ("start", "head"),
    [
        pytest.param(0, "Name | Job | Shift", id="the document begins with the table"),
        pytest.param(900, "", id="the chunk begins in the middle of it"),
    ],
)
def test_the_first_row_of_a_chunk_is_a_head_only_where_the_table_begins(start: int, head: str):
    text = "Name | Job | Shift\nAna | porter | early\nRui | cook | late"
    chunk = ScoredChunk(text, "staff.html", start, start + len(text))
    rows = read_alone("Who is the cook?", chunk)
    assert rows[-1].text == "Rui | cook | late"
    assert rows[-1].head == head
    assert (rows[0].text == "Name | Job | Shift") is (start > 0)


def test_a_row_is_read_under_its_head_and_an_item_under_the_line_that_opens_its_list():
    read = {one.text: one for one in read_alone("Who repairs the gutters?", lease())}
    row, item = read["| gutters | 1 year | Finn |"], read["- the gutters."]
    assert row.head == "| Part | Every | Who |\n|---|---|---|"
    assert item.features.above > read["The Tenant pays GBP 900."].features.above
    first = LEASE.index("- the tiles")
    items = ("- the tiles", "- the gutters.", "They are cleaned in May.")
    assert [read[text].list for text in items] == [first] * 3
    assert row.list is None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        pytest.param("Who is Finn?", [], id="all is there"),
        pytest.param("What does Orvieto pay?", ["Orvieto"], id="another name"),
        pytest.param("What is paid for flat 77?", ["77"], id="another number"),
    ],
)
def test_a_name_or_number_of_the_question_is_missed(question: str, expected: list[str]):
    missing = {one.text: one.missing for one in read_alone(question, lease())}
    best = "| gutters | 1 year | Finn |" if "Finn" in question else "The Tenant pays GBP 900."
    assert list(missing[best]) == expected
    assert all(0 < share <= 1 for share in missing[best].values())


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        pytest.param("What is the warranty of the KT-905?", True, id="an identifier"),
        pytest.param("What was decided in 2019?", True, id="a year"),
        pytest.param("Who repairs the roof of flat 900?", False, id="there as another number"),
        pytest.param("What was agreed on 03/05/2024?", False, id="a date in another form"),
        pytest.param("Is anybody there at 5 pm?", False, id="a time in another form"),
        pytest.param("Who repairs the gutters?", False, id="no number"),
    ],
)
def test_a_number_or_identifier_that_is_nowhere_is_missed(question: str, expected: bool):
    assert misses_number(question, [lease()], "en") is expected


def test_a_misspelt_word_is_taken_for_the_one_nearest_to_it():
    right, wrong = (
        read_alone(f"How often are the {word} cleaned?", lease()) for word in ("gutters", "guters")
    )
    assert [one.features for one in right] == [one.features for one in wrong]


def test_a_sentence_in_another_language_is_marked():
    text = "The pond was dug in 1998."
    one = ScoredChunk(text, "a.md", 0, len(text), language="en")
    assert [c.features.across for c in read_alone("Quando foi cavado o lago?", one)] == [1.0]
    assert [c.features.across for c in read_alone("When was the pond dug?", one)] == [0.0]


def listed(*texts: str, start: int | None = 0) -> list[Sentence]:
    none = Features(*[0.0] * len(fields(Features)))
    shares = [0.6, 0.3, *[0.1 / len(texts)] * (len(texts) - 2)]
    return [
        Sentence(Candidate(0, n, text, none, list=start), share)
        for n, (text, share) in enumerate(zip(texts, shares, strict=True))
    ]


def test_a_list_of_which_two_items_are_chosen_comes_whole():
    steps = [f"{n}. Turn the screw." for n in range(1, 10)]
    assert [one.text for one in choose(listed(*steps))] == steps
    long = [f"{n}. " + "Turn the screw. " * 5 for n in range(1, 10)]
    assert len(choose(listed(*long))) < len(long)
    assert len(choose(listed(*steps, start=None))) < len(steps)


def test_the_same_sentence_of_two_documents_is_quoted_once():
    law = "The law of Peru applies."
    assert [one.text for one in choose(listed(law, law, "Nothing else.", start=None))] == [
        law,
        "Nothing else.",
    ]


def test_chunks_without_anything_to_read_have_no_sentence():
    rule = chunk("--- *** ---\n\n=====", "rule.md")
    assert candidates("What is it?", with_sentences("What is it?", [rule], bundled()), "en") == []


class TestExtractiveStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ExtractiveChatModel

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"embedding": bundled()}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False


class TestExtractiveIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ExtractiveChatModel

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"embedding": bundled()}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def returns_usage_metadata(self) -> bool:
        return False
