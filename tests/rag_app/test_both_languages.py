"""Questions in one language, documents in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Rag

from ingest import UNDETERMINED
from rag_app import RagApp
from rag_app.chain import retrieval_qa
from rag_app.extractive.selection import read
from rag_app.types import ABSTENTION

ENGLISH = {
    "handbook.md": "# Leave\n\nEmployees of Brightwater get 22 days of paid annual leave. Up to "
    "five unused days may be carried over until March. Sick leave needs a doctor's note after "
    "three days.\n",
    "history.md": "# History\n\nThe company was founded by Maria Souza in Lisbon. It opened its "
    "second office in 2014, in Porto. Today the company has 180 employees.\n",
    "security.md": "# Security\n\nPasswords must be changed every 90 days. Visitors sign in at the "
    "front desk. A stolen laptop is reported to the help desk within one hour.\n",
    "travel.md": "# Travel\n\nTrain tickets are booked in second class. The hotel limit in "
    "Switzerland is 210 francs a night. Receipts are handed in within ten days.\n",
}
PORTUGUESE = {
    "regulamento.md": "# Matrícula\n\nA matrícula é feita no início de cada semestre. O aluno pode "
    "trancar a matrícula por até quatro semestres.\n",
    "biblioteca.md": "# Biblioteca\n\nA biblioteca central fica aberta até as 22 horas. Cada aluno "
    "pode levar cinco livros por vez. A multa por atraso é de dois reais por dia.\n",
    "condominio.md": "# Condomínio\n\nA assembleia foi realizada em 12 de março de 2025. A piscina "
    "fecha às segundas-feiras para limpeza. O síndico é eleito por dois anos.\n",
}
FOLDERS = {"en": ENGLISH, "pt": PORTUGUESE}

ACROSS = [
    pytest.param("en", "Quem fundou a empresa?", "history.md", "Maria Souza", id="quem"),
    pytest.param(
        "en", "Quando foi aberto o segundo escritório?", "history.md", "in 2014", id="quando"
    ),
    pytest.param("en", "Qual é o limite do hotel na Suíça?", "travel.md", "210 francs", id="qual"),
    pytest.param("en", "Quantos empregados tem a empresa?", "history.md", "180", id="quantos"),
    pytest.param(
        "en", "O que fazer com um laptop roubado?", "security.md", "to the help desk", id="o que"
    ),
    pytest.param(
        "pt", "How many books may a student borrow?", "biblioteca.md", "cinco livros", id="how many"
    ),
    pytest.param(
        "pt",
        "When was the meeting of the residents held?",
        "condominio.md",
        "12 de março de 2025",
        id="when",
    ),
    pytest.param(
        "pt",
        "For how long can a student suspend enrolment?",
        "regulamento.md",
        "até quatro semestres",
        id="how long",
    ),
]
QUEM = "Quem fundou a empresa?"


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RagApp]]:
    """An app for a folder that is English only, and one for a Portuguese one."""
    made = {}
    for language, texts in FOLDERS.items():
        folder = tmp_path_factory.mktemp(language)
        (folder / "documents").mkdir()
        for name, text in texts.items():
            (folder / "documents" / name).write_text(text, encoding="utf-8")
        made[language] = RagApp(documents=folder / "documents", index=folder / "index")
        made[language].index()
    yield made
    for app in made.values():
        app.store.close()


@pytest.mark.parametrize(("language", "question", "source", "holds"), ACROSS)
def test_a_question_finds_the_sentence_in_the_other_language(
    apps: dict[str, RagApp], language: str, question: str, source: str, holds: str
) -> None:
    app = apps[language]
    chunks = app.search(question)
    reading = read(question, chunks, app.embedding)

    assert chunks[0].source == source
    assert reading is not None
    assert holds in reading.sentences[0].candidate.text


@pytest.mark.parametrize(
    ("language", "question", "holds"),
    [
        pytest.param("en", "Quem fundou a empresa?", "Maria Souza", id="quem"),
        pytest.param("en", "Quando foi aberto o segundo escritório?", "in 2014", id="quando"),
        pytest.param("en", "Qual é o limite do hotel na Suíça?", "210 francs", id="qual"),
        pytest.param("en", "Quantos empregados tem a empresa?", "180", id="quantos"),
        pytest.param("en", "O que fazer com um laptop roubado?", "help desk", id="o que"),
        pytest.param("pt", "Until when is the library open?", "até as 22", id="until when"),
        pytest.param(
            "pt", "Until what time is the central library open?", "até as 22", id="what time"
        ),
    ],
)
def test_the_answer_quotes_it_exactly(
    apps: dict[str, RagApp], language: str, question: str, holds: str
) -> None:
    answer = apps[language].ask(question)

    assert any(holds in citation.quote for citation in answer.citations)
    for citation in answer.citations:
        whole = FOLDERS[language][citation.source]
        assert whole[citation.start : citation.end] == citation.quote
        assert citation.quote in answer.text
        assert citation.language == language
        assert citation.verified


@pytest.mark.parametrize(
    ("language", "question", "holds"),
    [
        pytest.param("en", "Quem publicou o word2vec?", "by Tomas Mikolov", id="Portuguese"),
        pytest.param(
            "pt", "How many tokens does all-MiniLM-L6-v2 read?", "256 tokens", id="English"
        ),
    ],
)
def test_the_sample_documents_answer_across_languages(
    sample_index: Path, language: str, question: str, holds: str
) -> None:
    app = RagApp(index=sample_index)
    answer = app.ask(question, filter={"source": f"{language}/*"})

    assert any(holds in citation.quote for citation in answer.citations)
    assert {citation.language for citation in answer.citations} == {language}


def test_what_an_english_folder_does_not_say_is_declined_in_portuguese(
    apps: dict[str, RagApp],
) -> None:
    answer = apps["en"].ask("Qual é a capital da Mongólia?")

    assert (answer.abstained, answer.text) == (True, ABSTENTION["pt"])


def test_the_command_line_says_which_language_a_quote_is_in(
    apps: dict[str, RagApp], rag_alone: Rag
) -> None:
    def lines(language: str, question: str) -> list[str]:
        run = rag_alone("ask", question, "--index", str(apps[language].settings.index))
        assert run.code == 0
        places = [line for line in run.out.splitlines() if line.startswith("[")]
        return [place.partition(" (rag show ")[0] for place in places]

    assert lines("en", QUEM)[0].endswith("history.md, line 3, History (quoted from English)")
    assert lines("pt", "Until when is the library open?")[0].endswith(
        "biblioteca.md, line 3, Biblioteca (quoted from Portuguese)"
    )
    for language, question in (
        ("en", "Who founded the company?"),
        ("pt", "Qual é a multa por atraso?"),
    ):
        same = lines(language, question)
        assert same
        assert not [line for line in same if "quoted from" in line]


def test_the_language_is_part_of_the_record(apps: dict[str, RagApp], rag_alone: Rag) -> None:
    run = rag_alone("ask", QUEM, "--json", "--index", str(apps["en"].settings.index))

    assert {one["language"] for one in json.loads(run.out)["citations"]} == {"en"}


def test_a_question_whose_language_is_not_known_is_in_no_other(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/boats.txt").write_text(
        "The ferry to the island costs 14 euros. The last ferry leaves at eight."
    )
    rag_alone("index", "documents", "--index", "i")

    run = rag_alone("ask", "ferry?", "--index", "i")

    assert "[1] boats.txt" in run.out
    assert "quoted from" not in run.out


def test_a_text_whose_language_is_not_known_is_not_said_to_be_in_another(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/parts.txt").write_text("ACME 7310-22-B, EUR 1200, Berlin.\n")
    rag_alone("index", "documents", "--index", "i")
    question = "Qual é o preço da peça 7310-22-B?"

    run = rag_alone("ask", question, "--index", "i")
    record = json.loads(rag_alone("ask", question, "--json", "--index", "i").out)

    assert "[1] parts.txt" in run.out
    assert "quoted from" not in run.out
    assert {one["language"] for one in record["citations"]} == {UNDETERMINED}


def test_a_question_that_shows_no_language_is_answered_from_any(apps: dict[str, RagApp]) -> None:
    chunk, *_ = apps["pt"].search("Biblioteca?")

    assert (chunk.source, chunk.language) == ("biblioteca.md", "pt")


def test_an_added_text_has_its_language_too(apps: dict[str, RagApp]) -> None:
    app = apps["pt"]
    app.store.add_texts(["The elevator was repaired in May by Otis."], ids=["lift"])
    try:
        answer = app.ask("Quem reparou o elevador em maio?")
    finally:
        app.store.delete(["lift"])

    lift = next(citation for citation in answer.citations if citation.source == "lift")
    assert (lift.quote, lift.language) == ("The elevator was repaired in May by Otis.", "en")


@pytest.mark.parametrize(
    ("question", "language"),
    [
        pytest.param("Wann wurde der Teich gegraben?", "en", id="German"),
        pytest.param("Quand est-ce que la mare a été creusée ?", "en", id="French"),
        pytest.param("¿Cuándo se cavó el estanque?", "en", id="Spanish"),
        pytest.param("Quando è stato scavato lo stagno?", "en", id="Italian"),
        pytest.param("E1043?", "en", id="undetermined"),
        pytest.param("When was the pond dug?", "en", id="English"),
        pytest.param("Quando o lago foi cavado?", "pt", id="Portuguese"),
    ],
)
def test_only_portuguese_is_declined_in_portuguese(
    apps: dict[str, RagApp], question: str, language: str
) -> None:
    app = apps["en"]
    nothing = retrieval_qa(app.retriever({"source": "nowhere"}), app.llm)

    assert nothing.invoke(question).text == ABSTENTION[language]
