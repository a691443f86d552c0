"""What a person at a terminal sees."""

from __future__ import annotations

import json
import pty
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

import pytest
from chat_server import Messages, chat_server
from running import DOCUMENTS, QUESTION, Rag

from rag_app.cli import main
from rag_app.cli.output import printable

# A sequence that sets a colour: 30 to 49 or 90 to 107, among others or alone.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:[34]\d|9\d|10[0-7])(?:;\d+)*m")


def on_a_terminal(arguments: list[str], **variables: str) -> str:
    """Return what the command writes to a terminal."""
    ours, theirs = pty.openpty()
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.MonkeyPatch.context() as patch,
        open(theirs, "r+b", buffering=0) as terminal,
    ):
        written = pool.submit(_read_until_all_left, ours)
        for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", **variables}.items():
            patch.setenv(name, value)
        for name in ("stdin", "stdout", "stderr"):
            patch.setattr(sys, name, TextIOWrapper(terminal, "utf-8", write_through=True))
        code = main(arguments)
        for name in ("stdin", "stdout", "stderr"):
            getattr(sys, name).detach()
        terminal.close()
        assert code == 0
        return written.result()


def _read_until_all_left(terminal: int) -> str:
    written = bytearray()
    with open(terminal, "rb", buffering=0) as stream, suppress(OSError):  # all have left
        while piece := stream.read(65536):
            written += piece
    return written.decode().replace("\r\n", "\n")


def test_on_a_terminal_a_place_links_to_its_file(rag: Rag, sample_index: Path) -> None:
    citation = json.loads(rag("ask", QUESTION, "--json").out)["citations"][0]
    shown = on_a_terminal(["ask", QUESTION], RAG_INDEX=str(sample_index))
    assert f";{(DOCUMENTS / citation['source']).as_uri()}" in shown
    assert citation["quote"] in shown


COMMANDS = [
    ["ask", QUESTION],
    ["show", "en/embeddings.md:226-299"],
    ["compare", QUESTION, "--llm", "extractive"],
    ["eval", "questions.jsonl"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_color_is_respected_and_what_is_no_colour_stays(
    command: list[str], bare_environment: Path, sample_index: Path
) -> None:
    Path("questions.jsonl").write_text(f'{{"question": "{QUESTION}", "answers": ["Mikolov"]}}\n')
    shown = on_a_terminal(command, RAG_INDEX=str(sample_index), NO_COLOR="1")
    assert not COLOUR.search(shown)
    assert "\x1b[" in shown


def test_a_progress_bar_has_colours_where_they_are_wanted(
    bare_environment: Path, sample_index: Path
) -> None:
    Path("questions.jsonl").write_text(f'{{"question": "{QUESTION}", "answers": ["Mikolov"]}}\n')
    assert COLOUR.search(on_a_terminal(["eval", "questions.jsonl"], RAG_INDEX=str(sample_index)))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_dumb_terminal_gets_plain_text(
    command: list[str], bare_environment: Path, sample_index: Path
) -> None:
    Path("questions.jsonl").write_text(f'{{"question": "{QUESTION}", "answers": ["Mikolov"]}}\n')
    shown = on_a_terminal(command, RAG_INDEX=str(sample_index), TERM="dumb")
    assert "\x1b" not in shown
    if command[0] == "show":
        assert ">>>Word2vec was published in 2013" in shown


def test_a_document_cannot_steer_the_terminal() -> None:
    assert (
        printable("a\x1b]8;;x\x07b\rc\td\u202ee\r\nf\x9b")
        == "a\ufffd]8;;x\ufffdb\ufffdc\td\ufffde\nf\ufffd"
    )


@pytest.mark.parametrize("shown", [True, False])
def test_thoughts_are_dimmed_and_gone_when_the_answer_is_there(
    sample_index: Path, shown: bool
) -> None:
    def think(messages: Messages) -> Iterator[str]:
        yield "<think>Which text "
        yield "names the year?</think>\n"
        yield "Word2vec was published in 2013. [1]"

    with chat_server(think, pause=0.6) as url:
        written = on_a_terminal(
            ["ask", QUESTION, "--llm", "openai:m", "--no-cache"],
            RAG_INDEX=str(sample_index),
            RAG_LLM_BASE_URL=url,
            RAG_SHOW_THINKING=str(shown),
        )
    assert ("\x1b[2mWhich text" in written) is shown
    assert "Word2vec was published in 2013. [1]" in written.rpartition("\x1b[2K")[2]
    assert "names the year" not in written.rpartition("\x1b[2K")[2]
