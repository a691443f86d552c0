"""Documents that disagree on a number or date are both quoted; those that don't are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from running import Rag
from test_chain import ListRetriever

from rag_app.attribution.citations import cite
from rag_app.attribution.conflicts import stated_date, with_conflicts
from rag_app.chain import retrieval_qa
from rag_app.types import Answer, ScoredChunk

LEAVE = "How many days of paid leave do employees get?"
OLD = "Employees get 22 days of paid leave a year."
NEW = "Since January all employees get 25 days of paid leave."


def chunks_of(*texts: str) -> list[ScoredChunk]:
    return [ScoredChunk(text, f"{n}.md", 0, len(text)) for n, text in enumerate(texts)]


def disagree(question: str, one: str, other: str) -> bool:
    chunks = chunks_of(one, other)
    return with_conflicts(question, cite(f"{one} [1]", chunks), chunks)[1] == ((1, 2),)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        pytest.param(LEAVE, OLD, NEW, id="count"),
        pytest.param(
            "When was the pond dug?",
            "The pond was dug in 1998.",
            "Records say that the pond was dug in March 2001.",
            id="year",
        ),
        pytest.param(
            "When is the deadline for expense reports?",
            "The deadline for expense reports is 15 March 2024.",
            "Expense reports: the deadline is 31 March 2024.",
            id="day",
        ),
        pytest.param(
            "What is the hotel limit per night?",
            "The hotel limit is $150 per night.",
            "Hotel costs have a limit of $180 per night.",
            id="money",
        ),
        pytest.param(
            "When does the library open?",
            "The library opens at 9:00.",
            "The library opens at 8 am every day.",
            id="time",
        ),
        pytest.param(
            "What percentage of the budget goes to research?",
            "12% of the budget goes to research.",
            "Research gets 15 percent of the budget.",
            id="percent",
        ),
        pytest.param(
            "Quantos dias de férias os funcionários têm?",
            "Os funcionários têm 30 dias de férias.",
            "Os funcionários têm direito a 22 dias de férias.",
            id="quantos",
        ),
        pytest.param(
            "Qual é o prazo de entrega do relatório?",
            "O prazo de entrega do relatório é de 15 dias.",
            "O relatório tem prazo de entrega de 10 dias úteis.",
            id="prazo",
        ),
        pytest.param(
            "Qual é o valor da bolsa de estudo?",
            "O valor da bolsa de estudo é de R$ 1.200,00 por mês.",
            "A bolsa de estudo é de R$ 1.500 mensais.",
            id="reais",
        ),
        pytest.param(
            "Quando foi fundada a empresa?",
            "A empresa foi fundada em 1998.",
            "A empresa foi fundada em maio de 2001.",
            id="ano",
        ),
        pytest.param(
            "A que horas fecha a biblioteca?",
            "A biblioteca fecha às 22 horas.",
            "A biblioteca fecha às 21h30.",
            id="horas",
        ),
        pytest.param(
            "Qual é o aluguel mensal da sala?",
            "O aluguel mensal da sala é de R$ 1.500,00.",
            "O aluguel mensal da sala é de R$ 1.800,00.",
            id="aluguel",
        ),
        pytest.param(
            "Qual é o prazo do contrato?",
            "O prazo do contrato é de 24 (vinte e quatro) meses.",
            "O prazo do contrato é de 36 (trinta e seis) meses.",
            id="por extenso",
        ),
    ],
)
def test_another_figure_of_the_same_kind_is_a_conflict(question: str, one: str, other: str) -> None:
    assert disagree(question, one, other)
    assert disagree(question, other, one)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        pytest.param(LEAVE, OLD, "Employees get 22 days of paid leave, in 3 parts.", id="same"),
        pytest.param(
            "How long is the trial period of cooks?",
            "The trial period of cooks is 3 months.",
            "The trial period of waiters is 6 months.",
            id="another job",
        ),
        pytest.param(
            "Quanto custa a entrada de idosos?",
            "A entrada de idosos custa 8 reais.",
            "A entrada de estudantes custa 5 reais.",
            id="outro público",
        ),
        pytest.param(
            "How many litres does the left tank hold?",
            "The left tank holds 40 litres.",
            "The right tank holds 55 litres.",
            id="another side",
        ),
        pytest.param(
            "When was the pond dug?",
            "The pond was dug in 1998.",
            "The pond was dug on 12 March 1998.",
            id="more exact",
        ),
        pytest.param(
            "How many employees did the company have?",
            "In 2019 the company had 180 employees.",
            "In 2021 the company had 220 employees.",
            id="another year",
        ),
        pytest.param(
            "How many employees work there?",
            "The Lisbon office has 180 employees who work there.",
            "The Porto office has 90 employees who work there.",
            id="another subject",
        ),
        pytest.param(
            "What is the budget of project Falcon?",
            "The budget of project Falcon is 20,000 EUR.",
            "The budget of project Heron is 25,000 EUR.",
            id="another subject than the question's",
        ),
        pytest.param(
            "How much does the licence cost?",
            "The licence costs $1,200.",
            "The licence costs 1200 dollars and a tax of 5%.",
            id="written otherwise",
        ),
        pytest.param(
            "How much does the licence cost?",
            "The licence costs $1,200.",
            "The licence costs EUR 1,100.",
            id="another currency",
        ),
        pytest.param(
            "Who dug the pond?", "Ann dug the pond in 1998.", "Ann dug the pond in 1999.", id="who"
        ),
        pytest.param(
            "How many people live there?",
            "3.5 million people live there.",
            "3,512,000 people live there.",
            id="rounded",
        ),
        pytest.param(
            "How many people live there?",
            "About 300 people live there.",
            "314 people live there.",
            id="rough",
        ),
        pytest.param(
            "Quantos dias de férias há por ano?",
            "Há doze dias de férias por ano.",
            "Há 12 dias de férias por ano.",
            id="spelled out",
        ),
    ],
)
def test_what_may_both_be_true_is_no_conflict(question: str, one: str, other: str) -> None:
    assert not disagree(question, one, other)
    assert not disagree(question, other, one)


def test_one_document_does_not_contradict_itself() -> None:
    chunks = [ScoredChunk(OLD, "a.md", 0, len(OLD)), ScoredChunk(NEW, "a.md", 90, 90 + len(NEW))]
    cited = cite(f"{OLD} [1]", chunks)
    assert with_conflicts(LEAVE, cited, chunks) == (cited, ())


def test_a_generated_answer_gets_the_quote_that_disagrees() -> None:
    documents = [
        Document(OLD, metadata={"source": "old.md"}),
        Document(f"Changes. {NEW}", metadata={"source": "new.md", "start": 50}),
    ]
    llm = FakeListChatModel(responses=["Employees get 22 days of paid leave. [1]"])
    answer = retrieval_qa(ListRetriever(documents=documents), llm).invoke(LEAVE)
    assert answer.text == f"Employees get 22 days of paid leave. [1]\n\n{NEW} [2]"
    assert answer.conflicts == ((1, 2),)
    second = answer.citations[1]
    assert (second.source, second.start, second.quote) == ("new.md", 59, NEW)
    assert Answer.from_record(json.loads(json.dumps(answer.to_record()))) == answer


def test_both_quotes_are_shown_with_the_dates_of_their_files(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    for name, text, time in (("old.md", OLD, 1_000_036_800), ("new.md", NEW, 1_699_963_200)):
        path = Path("documents", name)
        path.write_text(text)
        os.utime(path, (time, time))
    rag_alone("index", "documents", "--index", "i")
    run = rag_alone("ask", LEAVE, "--index", "i")
    assert run.err == "note: the documents disagree: [1] and [2]\n"
    assert OLD in run.out
    assert NEW in run.out
    lines = {line[4:] for line in run.out.splitlines() if line.startswith("[")}
    places = {line.partition(" (rag show ")[0] for line in lines}
    assert {place.partition(",")[0] for place in places} == {"old.md", "new.md"}
    assert {place.rpartition(" ")[2] for place in places} == {"2001-09-09)", "2023-11-14)"}
    record = json.loads(rag_alone("ask", LEAVE, "--index", "i", "--json").out)
    assert record["conflicts"] == [[1, 2]]


def test_what_stands_above_only_one_of_them_tells_two_things_apart() -> None:
    def said(title: str, weeks: int) -> ScoredChunk:
        text = f"The notice period is {weeks} weeks."
        return ScoredChunk(text, f"{title}.md", 0, len(text), headings=(f"Rules for {title}",))

    cooks, waiters = said("cooks", 2), said("waiters", 6)
    question = "What is the notice period for cooks?"
    cited = cite(f"{cooks.text} [1]", [cooks, waiters])

    assert with_conflicts(question, cited, [cooks, waiters])[1] == ()
    assert with_conflicts(question, cited, [cooks, said("cooks, new", 6)])[1] == ((1, 2),)


@pytest.mark.parametrize(
    ("title", "source", "date"),
    [
        ("Minutes of 25 March 2025", "minutes.md", "2025-03-25"),
        ("Ata do conselho, 22 de janeiro de 2025", "ata.md", "2025-01-22"),
        ("Minutes", "meetings/2024-11-06-board.md", "2024-11-06"),
        ("Price list 2024", "prices.md", "2024"),
        ("Handbook", "handbook-2023.md", "2023"),
        ("Handbook", "room-120.md", ""),
    ],
)
def test_the_date_of_a_document_is_in_its_title_or_name(title: str, source: str, date: str) -> None:
    assert stated_date(title, source) == date


def test_what_a_later_document_says_comes_first() -> None:
    texts = {
        "minutes-2025-01-14.md": "The fair is planned for 4 April.",
        "minutes-2025-02-25.md": "The fair is planned for 18 April.",
    }
    old, new = (ScoredChunk(text, source, 0, len(text)) for source, text in texts.items())
    question = "When is the fair planned?"

    for chunks in ((old, new), (new, old)):
        cited = cite(f"{chunks[0].text} [1]", chunks)
        answer, conflicts = with_conflicts(question, cited, chunks)
        first, second = answer.text.split("\n\n")
        assert (new.text in first, old.text in second) == (True, True)
        assert conflicts == ((1, 2),)


KETTLE = "An old copper kettle near the barn door fits 40 litres."


@pytest.mark.parametrize(
    ("question", "one", "conflict"),
    [
        pytest.param(
            "How many litres fit the old kettle upstairs?",
            "This kettle fits 40 litres.",
            True,
            id="three terms of five",
        ),
        pytest.param(
            "How many litres fit the old kettle upstairs beside tubs?",
            "This old kettle fits 40 litres.",
            False,
            id="four of seven",
        ),
    ],
)
def test_a_sentence_answers_with_three_fifths_of_the_terms_of_the_question(
    question: str, one: str, conflict: bool
) -> None:
    old = "old " * ("old" in one)
    other = f"By the cellar stands a kettle that fits, as {old}cooks noted, 55 litres of rain."
    assert disagree(question, one, other) is disagree(question, other, one) is conflict


@pytest.mark.parametrize(
    ("question", "other", "conflict"),
    [
        pytest.param(
            "How many litres fit kettles?",
            "In this house every kettle holds exactly 55 litres of fresh brown rain.",
            True,
            id="two of three",
        ),
        pytest.param(
            "How many litres fit the old copper kettle near the barn door?",
            "By law a copper kettle fits, whatever cooks have noted, exactly 55 litres if old.",
            False,
            id="five of eight",
        ),
        pytest.param(
            "How many litres per kettle?",
            "Whoever comes in winter pours out exactly 55 litres from every kettle.",
            True,
            id="two of two",
        ),
        pytest.param(
            "How many litres?",
            "Whoever comes in winter pours out exactly 55 litres.",
            False,
            id="one of one",
        ),
    ],
)
def test_two_sentences_answer_alike_with_nearly_all_of_at_least_two_terms(
    question: str, other: str, conflict: bool
) -> None:
    assert disagree(question, KETTLE, other) is disagree(question, other, KETTLE) is conflict


@pytest.mark.parametrize(
    ("end", "conflict"),
    [
        pytest.param("when full", False, id="six words of ten alike"),
        pytest.param("when quite full", True, id="six of ten and eleven"),
    ],
)
def test_sentences_with_most_words_alike_are_about_what_differs(end: str, conflict: bool) -> None:
    one = "The kettle by the window fits 40 litres at noon."
    other = f"The kettle by the stairs fits 55 litres {end}."
    assert disagree("How many litres fit the kettle?", one, other) is conflict


@pytest.mark.parametrize(
    ("figures", "conflict"),
    [
        ("50 litres", True),
        ("50 litres or 60 litres", True),
        ("50 litres, 60 litres or 70 litres", False),
    ],
    ids=["one", "two", "three"],
)
def test_a_sentence_answers_with_at_most_two_figures(figures: str, conflict: bool) -> None:
    other = f"Cooks say that an old copper kettle fits {figures}."
    assert disagree("How many litres fit the old kettle?", KETTLE, other) is conflict


@pytest.mark.parametrize(("documents", "quoted"), [(2, 2), (3, 3), (4, 3)])
def test_at_most_two_other_documents_are_quoted(documents: int, quoted: int) -> None:
    texts = [f"The old copper kettle fits {litres} litres." for litres in (40, 50, 60, 70)]
    chunks = chunks_of(*texts[:documents])
    cited = cite(f"{texts[0]} [1]", chunks)
    answer, conflicts = with_conflicts("How many litres fit the old kettle?", cited, chunks)
    assert [one.quote for one in answer.citations] == texts[:quoted]
    assert conflicts == (tuple(range(1, quoted + 1)),)
