"""What a person types before the command runs: options, completion, questions without quotes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from running import QUESTION, Rag
from test_cli import COMMANDS

SERVERS = "serve mcp token".split()
PROMPT_COMMANDS = "list show check new".split()

# Completes the line whose words are the arguments as bash would, from the script that rag prints.
COMPLETE = """
eval "$(rag --show-completion; true)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_rag_completion rag
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completions(*words: str) -> list[str]:
    """Return what bash offers for the last word."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "--norc", "-c", COMPLETE, "bash", *words],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_the_version_is_told(rag_alone: Rag) -> None:
    run = rag_alone("--version")
    assert (run.code, run.out, run.err) == (0, f"rag-app {version('rag-app')}\n", "")


@pytest.mark.parametrize(
    "command",
    [
        *([name] for name in ("eval", "tune", *SERVERS, *COMMANDS)),
        *(["prompt", name] for name in PROMPT_COMMANDS),
        [],
    ],
    ids=" ".join,
)
def test_h_is_help_for_every_command(command: list[str], rag_alone: Rag) -> None:
    short, long = rag_alone(*command, "-h"), rag_alone(*command, "--help")
    assert short.out.startswith(" ".join(["Usage: rag", *command]))
    assert (short.code, short.out, short.err) == (0, long.out, "")


def test_bash_completes_commands_and_nothing_else() -> None:
    offered = completions("rag", "")
    assert sorted(offered) == sorted([*COMMANDS, *SERVERS, "eval", "tune", "prompt"])
    assert completions("rag", "st") == ["status"]
    assert completions("rag", "prompt", "") == PROMPT_COMMANDS


def test_bash_completes_options_where_a_dash_was_typed() -> None:
    assert completions("rag", "search", "--wh") == ["--why"]
    assert completions("rag", "index", "documents", "--re") == ["--rebuild", "--retry-failed"]


@pytest.mark.parametrize("command", ["ask", "search", "compare"])
def test_a_question_needs_no_quotes_and_options_may_stand_anywhere(command: str, rag: Rag) -> None:
    models = ["--llm", "extractive"] if command == "compare" else []
    quoted = json.loads(rag(command, QUESTION, "--json", "--top-k", "3", *models).out)
    first, *others = QUESTION.split()
    bare = json.loads(rag(command, first, "--top-k", "3", *models, *others, "--json").out)
    for answer in (quoted, bare):
        for one in answer if isinstance(answer, list) else [answer]:
            one.pop("timings", None)
    assert bare == quoted


def test_one_dash_reads_stdin_and_among_words_it_is_a_word(rag: Rag) -> None:
    piped = json.loads(rag("ask", "-", "--json", stdin="What freezes\n LoRA?\n").out)
    assert piped["question"] == "What freezes\n LoRA?"
    typed = json.loads(rag("ask", "LoRA", "-", "what", "freezes?", "--json", stdin="unread").out)
    assert typed["question"] == "LoRA - what freezes?"


def test_a_word_that_begins_with_a_dash_goes_after_two_dashes(rag: Rag) -> None:
    run = rag("ask", "How", "cold", "is", "-18", "degrees")
    assert (run.code, run.out) == (2, "")
    assert run.err.endswith("words with a dash go after --: rag ask -- …)\n")
    asked = json.loads(rag("ask", "--json", "--", "How", "cold", "is", "-18", "degrees").out)
    assert asked["question"] == "How cold is -18 degrees"
    assert "words with a dash" not in rag("status", "--lmm").err


def test_words_of_nothing_are_no_question(rag: Rag) -> None:
    run = rag("search", "", " ")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("error: the question is empty")
