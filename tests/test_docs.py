"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# Commands that need the network, a model of the reader's own, or an installation.
ELSEWHERE = re.compile(r"pip install|git clone|openai:|huggingface:|anthropic:|path/to|^make\b")
RUNNABLE = re.compile(r"(rag|python)\b|(echo|cat|printf) .*\| *rag\b")
SECONDS = re.compile(r"\d+(\.\d+)? s\b")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the README, its line there, and the output shown below it."""

    line: int
    text: str
    shown: tuple[str, ...]


def fences(language: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each code block of that language."""
    text = README.read_text(encoding="utf-8")
    for block in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, block.start()) + 2, block.group(1)


def commands() -> Iterator[Command]:
    """Yield each ``$ command`` of the console blocks that can run here."""
    for first, block in fences("console"):
        for match in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            text = match.group(1).partition("  #")[0].strip()
            if RUNNABLE.match(text) and not ELSEWHERE.search(text):
                line = first + block.count("\n", 0, match.start())
                yield Command(line, text, tuple(match.group(2).splitlines()))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout with a fresh index."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "data" / "documents", folder / "data" / "documents")
    shutil.copytree(ROOT / "examples", folder / "examples")
    run(["rag", "index"], folder)
    return folder


def run(command: list[str], folder: Path) -> str:
    """Return stdout and stderr of the command; fail the test if it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept | {"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def lines(text: str) -> set[str]:
    """Return the lines with single spaces and without what differs from run to run."""
    return {SECONDS.sub("# s", " ".join(line.split())) for line in text.splitlines()}


@pytest.mark.parametrize(
    "command", list(commands()), ids=lambda command: f"README line {command.line}"
)
def test_a_command_of_the_readme_prints_what_the_readme_shows(command: Command, copy: Path) -> None:
    printed = run(["bash", "-c", command.text], copy)
    shown = lines("\n".join(line for line in command.shown if line.strip() not in ("", "…", "...")))
    assert shown - lines(printed) == set()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=f"README line {line}")
        for line, code in fences("python")
        if not ELSEWHERE.search(code)
    ],
)
def test_the_python_code_of_the_readme_runs(code: str, copy: Path) -> None:
    run([sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code], copy)


@pytest.mark.parametrize("script", ["ask.py", "swap_provider.py"])
def test_an_example_prints_an_answer(script: str, copy: Path) -> None:
    assert run([sys.executable, f"examples/{script}"], copy).strip()


def test_the_readme_shows_commands_that_are_checked() -> None:
    assert list(commands())
