"""How the ``rag`` command fails: one sentence, an exit code, and nothing changed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import QUESTION, Rag, fingerprint, in_a_process


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["ask", "x"], 3, "no index", id="no index"),
        pytest.param(["index", "empty", "--index", "i"], 2, "empty", id="empty folder"),
        pytest.param(["index", "gone"], 2, "gone", id="no such folder"),
        pytest.param(["index", "file.txt"], 2, "file.txt", id="a file as folder"),
        pytest.param(["ask", " "], 2, "the question is empty", id="empty question"),
        pytest.param(["ask", "\udcff"], 2, "character 1 of the question is no", id="no text"),
        pytest.param(["ask", "x", "--filter", "en"], 2, "not KEY=VALUE", id="bad filter"),
        pytest.param(
            ["search", "x", "--filter", "page=1", "--filter", "page=2"],
            2,
            "--filter has 'page' twice",
            id="a filter twice",
        ),
        pytest.param(["ask", "x", "--top-k", "0"], 2, "'top_k' can't be '0'", id="bad number"),
        pytest.param(["ask", "x", "--top-k", "many"], 2, "many", id="not a number"),
        pytest.param(["ask"], 2, "Missing argument", id="no question"),
        pytest.param(["ask", "x", "--lmm", "y"], 2, "--lmm", id="unknown option"),
        pytest.param(["aks", "x"], 2, "'aks'", id="unknown command"),
    ],
)
def test_wrong_use_is_one_sentence_and_changes_nothing(
    arguments: list[str], code: int, message: str, rag_alone: Rag
) -> None:
    Path("empty").mkdir()
    Path("file.txt").write_text("text")
    before = fingerprint(Path())
    run = rag_alone(*arguments)
    assert (run.code, run.out) == (code, "")
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert message in run.err
    assert fingerprint(Path()) == before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param(["--llm", "nobody:model"], 2, "nobody:model", id="unknown provider"),
        pytest.param(["--llm", "huggingface:./gone"], 2, "gone", id="unknown model"),
        pytest.param(["--llm", "openai:gpt"], 2, "set OPENAI_API_KEY", id="missing key"),
        pytest.param(
            ["--prompt", "missing.yaml"],
            2,
            "does not know the variable 'context'",
            id="bad template",
        ),
        pytest.param(["--prompt", "nowhere"], 2, "no prompt 'nowhere'", id="unknown template"),
    ],
)
def test_a_model_or_prompt_that_cannot_be_used_is_one_sentence(
    options: list[str], code: int, message: str, rag: Rag, sample_index: Path
) -> None:
    Path("missing.yaml").write_text(
        "name: m\ndescription: d\nsystem: s\nuser: '{question}'\nvariables: [question, context]\n"
    )
    before = fingerprint(sample_index)
    run = rag("ask", QUESTION, *options)
    assert (run.code, run.out) == (code, "")
    assert run.err.startswith("error: ")
    assert message in run.err
    assert fingerprint(sample_index) == before


def test_a_missing_extra_names_the_command_that_installs_it(sample_index: Path) -> None:
    run = in_a_process(
        "import sys; sys.modules['langchain_openai'] = None; sys.modules['openai'] = None",
        ["ask", QUESTION, "--llm", "openai:gpt"],
        OPENAI_API_KEY="sk-none",
        RAG_INDEX=str(sample_index),
    )
    assert run.code == 2
    assert run.out == ""
    assert "needs the extra 'openai': pip install 'langchain-openai>=" in run.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["prompt", "show", "nowhere"],
        ["prompt", "check", "nowhere"],
        ["eval"],
        ["export", "file", "--index", "nowhere"],
    ],
    ids=" ".join,
)
def test_every_kind_of_command_shows_the_traceback_with_debug(
    arguments: list[str], rag_alone: Rag
) -> None:
    plain, traced = rag_alone(*arguments), rag_alone(*arguments, "--debug")
    assert plain.code == traced.code != 0
    assert plain.err.startswith("error: ")
    assert traced.err.startswith("Traceback ")
    assert traced.err.endswith(plain.err)


def test_a_bug_is_one_line_and_its_traceback_comes_with_debug(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("over\nnothing")

    monkeypatch.setattr("rag_app.app.RagApp.search", fail)
    plain, traced = rag("search", "x"), rag("search", "x", "--debug")
    last = "error: unexpected ZeroDivisionError: over; run again with --debug to see where\n"
    assert (plain.code, plain.err) == (1, last)
    assert traced.code == 1
    assert traced.err.startswith("Traceback ")
    assert traced.err.endswith(last)


def test_a_reader_that_leaves_early_is_no_error(sample_index: Path) -> None:
    command = [sys.executable, "-m", "rag_app", "search", QUESTION, "--index", str(sample_index)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_ctrl_c_is_one_line_and_exit_130(sample_index: Path) -> None:
    command = [sys.executable, "-m", "rag_app", "chat", "--json", "--index", str(sample_index)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{QUESTION}\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (130, "interrupted\n")
