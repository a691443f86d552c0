"""A conversation through a pipe and at a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from types import TracebackType

import pytest
from chat_server import Messages, chat_server, is_condensing
from running import QUESTION, Rag, fingerprint, in_a_process
from test_cli_terminal import COLOUR

READY = "\x1b[?2004h"  # a line is being read: what is pasted is to be marked
FOLLOW_UP = "And when did they do it?"


def write(messages: Messages) -> Iterator[str]:
    rewritten = "When was word2vec published?"
    yield rewritten if is_condensing(messages) else "Word2vec was published in 2013. [1]"


def index_files(folder: Path) -> dict[str, str]:
    """Return the digests of the index, without the record of what was asked of it."""
    return {name: d for name, d in fingerprint(folder).items() if not name.startswith("answers.")}


def test_chat_answers_line_by_line_from_a_pipe(rag: Rag) -> None:
    run = rag("chat", "--json", stdin=f"{QUESTION}\n\n/clear\n{QUESTION}\n/quit\nnever asked\n")
    assert run.code == 0
    assert [json.loads(line)["question"] for line in run.out.splitlines()] == [QUESTION, QUESTION]


def test_chat_carries_the_topic_over_to_a_follow_up(rag: Rag) -> None:
    run = rag("chat", stdin=f"{QUESTION}\n{FOLLOW_UP}\n")
    assert "(asking: And when did they do it? (published word2vec))\n" in run.err


def test_chat_shows_the_quotes_of_the_last_answer(rag: Rag) -> None:
    citation = json.loads(rag("ask", QUESTION, "--json").out)["citations"][0]
    shown = rag("chat", stdin=f"{QUESTION}\n/sources\n").out
    place = f"{citation['source']}:{citation['start']}-{citation['end']}"
    line = f"[1] {citation['source']}, line 7, Embeddings > A short history (rag show {place})"
    assert f" [1]\n{line}\n\n" in shown
    assert f"\n\n{line}\n{citation['quote']}\n" in shown
    assert shown.endswith(f"\n{citation['quote']}\n")


def test_another_model_answers_in_a_running_chat_without_a_new_index(
    rag: Rag, sample_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = index_files(sample_index)
    with chat_server(write) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        typed = f"{QUESTION}\n/llm openai:m\n{FOLLOW_UP}\n/llm extractive\n{QUESTION}\n"
        run = rag("chat", "--json", stdin=typed)
    answers = [json.loads(line) for line in run.out.splitlines()]

    assert [answer["llm"] for answer in answers] == ["extractive", "openai:m", "extractive"]
    assert all(answer["citations"][0]["verified"] for answer in answers)
    assert "chat model: openai:m\n(asking: When was word2vec published?)\n" in run.err
    assert index_files(sample_index) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("/help", "/save FILE    save the conversation", id="help"),
        pytest.param("/sources", "there is no answer yet\n", id="no answer"),
        pytest.param("/llm", "chat model: extractive\n", id="which model"),
        pytest.param("/prompt qa-strict", "prompt: qa-strict\n", id="prompt"),
        pytest.param("/prompt", "prompt: by the question's language\n", id="no prompt"),
    ],
)
def test_a_command_says_what_it_did(rag: Rag, line: str, said: str) -> None:
    run = rag("chat", stdin=f"{line}\n")
    assert (run.code, run.out) == (0, "")
    assert said in run.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("/llm nonsense", "'nonsense' is not a chat model", id="model"),
        pytest.param("/prompt haiku", "there is no prompt 'haiku'", id="prompt"),
        pytest.param("/save", "name the file: /save FILE", id="no file"),
        pytest.param(
            "/sorces", "there is no command /sorces: did you mean /sources? /help", id="close"
        ),
        pytest.param("/zzz", "there is no command /zzz: /help lists them\n", id="far"),
        pytest.param("word\x00s \udcff", "character 8 of the question is no valid", id="no text"),
    ],
)
def test_a_script_goes_on_after_a_line_that_fails(rag: Rag, line: str, said: str) -> None:
    run = rag("chat", "--json", stdin=f"{line}\n{QUESTION}\n")
    assert run.code == 2
    assert run.err.startswith(f"error: {said}")
    assert run.err.count("error: ") == 1
    assert [json.loads(answer)["question"] for answer in run.out.splitlines()] == [QUESTION]


def refuse(messages: Messages) -> Iterator[str]:
    """Write nothing: the server then says that it does not know the model."""
    return iter(())


def test_the_highest_exit_code_of_a_script_is_its_own(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server(refuse) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        lines = ["/save", "/llm openai:m", QUESTION, "/llm extractive", "/zzz", QUESTION]
        run = rag("chat", "--json", "--quiet", stdin="\n".join(lines))
    errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
    assert run.code == 4
    assert len(errors) == 3
    assert "the model is unknown (404)" in errors[1]
    assert json.loads(run.out)["llm"] == "extractive"


def test_a_saved_chat_is_gone_on_with(rag: Rag) -> None:
    saved = rag("chat", stdin=f"{QUESTION}\n/save talk.jsonl\n")
    assert saved.err == "saved to talk.jsonl: questions 1\n"
    record = json.loads(Path("talk.jsonl").read_text())
    asked = json.loads(rag("ask", QUESTION, "--json").out)
    assert record["answer"] == asked | {"timings": record["answer"]["timings"]}

    resumed = rag("chat", "--resume", "talk.jsonl", stdin=f"/sources\n{FOLLOW_UP}\n")
    assert resumed.out.startswith(f"\n[1] {asked['citations'][0]['source']}, line 7 (rag show ")
    assert "(asking: And when did they do it? (published word2vec))\n" in resumed.err


def test_a_chat_through_a_pipe_loads_no_terminal(sample_index: Path) -> None:
    run = in_a_process(
        "import sys",
        ["chat", "--index", str(sample_index)],
        "print(sorted({'prompt_toolkit', 'rich'} & set(sys.modules)), file=sys.stderr)",
    )
    assert (run.code, run.err) == (0, "[]\n")


class Terminal:
    """A person at ``rag chat``."""

    def __init__(self, index: Path, *arguments: str, **variables: str) -> None:
        self._ours, theirs = pty.openpty()
        env = os.environ | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"} | variables
        command = [sys.executable, "-m", "rag_app", "chat", "--index", str(index), *arguments]
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        os.close(theirs)
        self._shown = self.all_shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Wait until the text is shown, after what was waited for before."""
        deadline = time.monotonic() + seconds
        while text not in self._shown:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not come: {self._shown[-500:]!r}"
            if select.select([self._ours], [], [], left)[0]:
                read = os.read(self._ours, 65536).decode(errors="replace")
                self._shown += read
                self.all_shown += read
        self._shown = self._shown.partition(text)[2]

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def left(self) -> int:
        return self._process.wait(timeout=300)


def test_a_person_gets_history_completion_and_a_way_out(sample_index: Path) -> None:
    with Terminal(sample_index) as terminal:
        terminal.wait_for(READY)
        terminal.type(f"{QUESTION}\r")
        terminal.wait_for("[1] en/embeddings.md, line 7, Embeddings > A short history")
        terminal.wait_for(READY)
        terminal.type("/sou\t")
        terminal.wait_for("rces")  # what was typed may have been shown before
        terminal.type("\r")
        terminal.wait_for("Word2vec was published in 2013 by Tomas Mikolov")
        terminal.wait_for(READY)
        terminal.type("/llm nonsense\r")
        terminal.wait_for("error: 'nonsense' is not a chat model")
        terminal.wait_for(READY)
        terminal.type("\x1b[A\x1b[A\x1b[A")  # three times up
        terminal.wait_for("word2vec?")
        terminal.type("\r")
        terminal.wait_for("[1] en/embeddings.md, line 7, Embeddings > A short history")
        terminal.wait_for(READY)
        terminal.type("half a question\x03")
        terminal.wait_for(READY)
        terminal.type("\x04")
        assert terminal.left() == 0


def test_a_chat_without_colours_shows_none(sample_index: Path) -> None:
    with Terminal(sample_index, NO_COLOR="1") as terminal:
        terminal.wait_for(READY)
        terminal.type(f"{QUESTION}\r")
        terminal.wait_for("[1] en/embeddings.md")
        terminal.wait_for(READY)
        assert not COLOUR.search(terminal.all_shown)


def test_a_dumb_terminal_gets_plain_text(sample_index: Path) -> None:
    with Terminal(sample_index, TERM="dumb") as terminal:
        terminal.wait_for("? ")
        terminal.type(f"{QUESTION}\r")
        terminal.wait_for("[1] en/embeddings.md")
        terminal.wait_for("? ")
        terminal.type("\x04")
        assert terminal.left() == 0
        assert "\x1b" not in terminal.all_shown


def test_an_interrupted_answer_does_not_end_the_chat(sample_index: Path) -> None:
    with chat_server(lambda messages: repeat("word "), pause=0.05) as base_url:
        arguments = ("--llm", "openai:m")
        with Terminal(sample_index, *arguments, RAG_LLM_BASE_URL=base_url) as terminal:
            terminal.wait_for(READY)
            terminal.type(f"{QUESTION}\r")
            terminal.wait_for("word word word")
            terminal.interrupt()
            terminal.wait_for("interrupted")
            terminal.wait_for(READY)
            terminal.type("/llm extractive\r")
            terminal.wait_for("chat model: extractive")
            terminal.wait_for(READY)
            terminal.type(f"{QUESTION}\r")
            terminal.wait_for("[1] en/embeddings.md, line 7, Embeddings > A short history")
            terminal.wait_for(READY)
            terminal.type("\x04")
            assert terminal.left() == 0
