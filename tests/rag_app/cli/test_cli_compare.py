"""Several models, one question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Messages, chat_server
from running import QUESTION, Rag
from test_cli import ASK_KEYS
from test_cli_terminal import on_a_terminal

from rag_app import RagApp
from rag_app.evaluation.model_comparison import compare

MODELS = ["--llm", "extractive", "--llm", "openai:m"]


def write(messages: Messages) -> Iterator[str]:
    yield "Word2vec was published in 2013. [1] It is nice and blue. [1]"


@pytest.fixture
def server(bare_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with chat_server(write) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        yield base_url


@pytest.mark.usefixtures("server")
def test_each_model_answers_in_the_shape_of_ask(rag: Rag) -> None:
    run = rag("compare", QUESTION, *MODELS, "--json")
    extracted, written = json.loads(run.out)

    assert run.code == 0
    assert [list(extracted), list(written)] == [ASK_KEYS, ASK_KEYS]
    assert extracted["citations"] == json.loads(rag("ask", QUESTION, "--json").out)["citations"]
    assert (written["llm"], written["question"]) == ("openai:m", QUESTION)
    assert written["answer"].startswith("Word2vec was published in 2013. [1]")
    assert written["citations"][0]["source"] == "en/embeddings.md"
    assert (written["usage"]["input_tokens"], written["usage"]["output_tokens"]) == (7, 3)


def test_all_models_get_the_same_chunks_from_one_retrieval(
    sample_index: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = RagApp(index=sample_index, llm_base_url=server, top_k=3)
    searched = []
    candidates = type(app.store).candidates
    monkeypatch.setattr(
        type(app.store),
        "candidates",
        lambda *args: searched.append(args[1]) or candidates(*args),  # type: ignore[func-returns-value]
    )
    attempts = list(compare(app, QUESTION, ["extractive", "openai:m", "extractive"]))

    assert searched == [QUESTION]
    assert [attempt.llm for attempt in attempts] == ["extractive", "openai:m", "extractive"]


@pytest.mark.usefixtures("server")
def test_what_every_model_took_is_counted_each_time(rag: Rag) -> None:
    def totals() -> tuple[int, int, int]:
        usage = json.loads(rag("status", "--json").out)["usage"]
        return usage["questions"], usage["cached"], usage["input_tokens"]

    questions, cached, tokens = totals()
    for _ in range(2):
        rag("compare", QUESTION, *MODELS)
    assert totals() == (questions + 4, cached, tokens + 14)


@pytest.mark.usefixtures("server")
def test_a_model_that_fails_leaves_the_others_their_answers(rag: Rag) -> None:
    run = rag("compare", QUESTION, "--llm", "nonsense", *MODELS, "--json")
    failed, *answered = json.loads(run.out)

    assert run.code == 0
    assert list(failed) == ["question", "llm", "error"]
    assert failed["error"].startswith("'nonsense' is not a chat model")
    assert [answer["llm"] for answer in answered] == ["extractive", "openai:m"]


def test_only_when_every_model_fails_the_command_does(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server(lambda messages: ()) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        run = rag("compare", QUESTION, "--llm", "openai:m", "--llm", "nonsense")
    assert run.code == 4
    assert "# openai:m\nerror: openai:m at 127.0.0.1" in run.out
    assert "the model is unknown (404)" in run.out
    assert "# nonsense\nerror: 'nonsense' is not a chat model" in run.out


def test_the_help_says_when_the_command_fails(rag_alone: Rag) -> None:
    told = " ".join(rag_alone("compare", "--help").out.split())
    assert "Exits with 0 if at least one of them answers, and with 4 if none does." in told


@pytest.mark.usefixtures("server")
def test_a_pipe_gets_a_section_a_model(rag: Rag) -> None:
    first, second = rag("compare", QUESTION, *MODELS).out.split("\n\n")
    assert first.startswith("# extractive\nWord2vec was published in 2013 by Tomas Mikolov")
    assert "\nverified: 1 of 1\nunsupported: 0\nseconds: " in first
    assert second.startswith("# openai:m\nWord2vec was published in 2013. [1]")
    assert second.endswith("\ntokens: 7 read, 3 written\n")


def test_a_terminal_gets_a_table(sample_index: Path, server: str) -> None:
    variables = {"RAG_INDEX": str(sample_index), "RAG_LLM_BASE_URL": server}
    arguments = ["compare", QUESTION, "--llm", "nonsense", *MODELS]
    shown = on_a_terminal(arguments, **variables, NO_COLOR="1")
    rows = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines()]
    facts = {cells[1]: cells[2:-1] for cells in rows if len(cells) == 6 and cells[1]}
    assert list(facts) == ["answer", "citations", "verified", "unsupported", "seconds", "tokens"]
    assert facts["answer"][0].startswith("error: 'nonsense'")
    assert facts["verified"][:2] == ["", "1 of 1"]
    assert facts["tokens"] == ["", "", "7 read, 3 written"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([QUESTION], "name the chat models to compare", id="no model"),
        pytest.param([" ", *MODELS], "the question is empty", id="no question"),
    ],
)
def test_what_is_missing_is_named(rag: Rag, arguments: list[str], said: str) -> None:
    run = rag("compare", *arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: {said}")
