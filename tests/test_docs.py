"""What the README and the pages of docs/ show is what happens."""

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
from test_imports import PACKAGES, STAGES, modules

from rag_app.prompts import check_prompt
from rag_app.settings import Settings, describe_settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = (README, *DOCS)
SETTINGS = ROOT / "docs" / "settings.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
# Commands that need the network, a model of the reader's own, or an installation.
ELSEWHERE = re.compile(r"pip install|git clone|openai:|huggingface:|anthropic:|path/to|^make\b")
RUNNABLE = re.compile(r"(rag|python|cp|mkdir|mv|rm)\b|(echo|cat|printf) .*\| *rag\b")
SECONDS = re.compile(r"\d+(\.\d+)? s\b")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page, and the output shown below it."""

    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of a page, which says where it is."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)} line {self.line}"


def blocks(language: str) -> list[Block]:
    """Return the code blocks of that language on all pages."""
    return [block for page in PAGES for block in _blocks(page, language)]


def _blocks(page: Path, language: str) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield Block(page, text.count("\n", 0, block.start()) + 2, block.group(1))


def commands(block: Block) -> Iterator[Command]:
    """Yield each ``$ command`` of a console block that can run here."""
    for match in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
        text = match.group(1).partition("  #")[0].strip()
        if RUNNABLE.match(text) and not ELSEWHERE.search(text):
            yield Command(text, tuple(match.group(2).splitlines()))


def python_blocks() -> list[Block]:
    return [block for block in blocks("python") if not ELSEWHERE.search(block.text)]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fresh checkout with a fresh index, and a copy of both."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "data" / "documents", folder / "data" / "documents")
    shutil.copy(ROOT / "data" / "questions.jsonl", folder / "data")
    shutil.copytree(ROOT / "examples", folder / "examples")
    run(["rag", "index"], folder)
    kept = tmp_path_factory.mktemp("kept") / "checkout"
    shutil.copytree(folder, kept)
    return folder, kept


@pytest.fixture
def checkout(indexed: tuple[Path, Path]) -> Path:
    """The checkout as it was before any block changed it."""
    folder, kept = indexed
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
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
        timeout=600,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def lines(text: str) -> set[str]:
    """Return the lines with single spaces and without what differs from run to run."""
    return {SECONDS.sub("# s", " ".join(line.split())) for line in text.splitlines()}


@pytest.mark.parametrize(
    "block", [one for one in blocks("console") if list(commands(one))], ids=str
)
def test_a_command_prints_what_is_shown_below_it(block: Block, checkout: Path) -> None:
    for command in commands(block):
        printed = run(["bash", "-c", command.text], checkout)
        shown = "\n".join(line for line in command.shown if line.strip() not in ("", "…", "..."))
        assert lines(shown) - lines(printed) == set(), command.text


@pytest.mark.parametrize("block", python_blocks(), ids=str)
def test_the_python_code_runs(block: Block, checkout: Path) -> None:
    warn = "error::DeprecationWarning:__main__"
    run([sys.executable, "-W", warn, "-c", block.text], checkout)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_template_is_one_that_answers(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(block.text, encoding="utf-8")
    assert check_prompt(str(file)) == ()


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_settings_file_sets_what_it_names(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RAG_")]:
        monkeypatch.delenv(name)
    Path("rag.toml").write_text(block.text, encoding="utf-8")
    named = set(re.findall(r"^(\w+) *=", block.text, re.MULTILINE))
    assert {row.name for row in describe_settings() if row.origin == "rag.toml"} == named != set()


@pytest.mark.parametrize("script", ["ask.py", "swap_provider.py"])
def test_an_example_prints_an_answer(script: str, checkout: Path) -> None:
    assert run([sys.executable, f"examples/{script}"], checkout).strip()


@pytest.mark.parametrize(
    "page",
    [README, ROOT / "docs" / "asking.md", ROOT / "docs" / "indexing.md"],
    ids=lambda page: page.name,
)
def test_a_page_shows_commands_and_code_that_are_checked(page: Path) -> None:
    assert any(list(commands(block)) for block in blocks("console") if block.page == page)
    assert any(block.page == page for block in python_blocks())


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_links_every_page() -> None:
    linked = {path for path, _ in links(README)}
    assert {page for page in DOCS if page not in linked} == set()


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the heading's anchor of each relative link of a page."""
    text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_a_relative_link_leads_somewhere(page: Path) -> None:
    broken = [
        (path.name, anchor)
        for path, anchor in links(page)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def test_the_table_of_settings_names_each_with_its_default() -> None:
    row = re.compile(r"^\| `([a-z_]+)` \|\s*`?([^|`]*?)`?\s*\|", re.MULTILINE)
    rows = row.findall(SETTINGS.read_text(encoding="utf-8"))
    shown = dict(rows)
    assert [name for name, _ in rows] == list(Settings.model_fields)
    assert shown == {name: _toml(field.default) for name, field in Settings.model_fields.items()}


def _toml(value: object) -> str:
    """Return a default as one would write it in rag.toml, without quotation marks."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def layout(package: str) -> list[str]:
    """Return what the layout on the page about the architecture lists of a package, in order."""
    block, *_ = _blocks(ARCHITECTURE, "text")
    part = re.search(rf"^{package}/.*\n((?:  .*\n)*)", block.text, re.MULTILINE)
    return re.findall(r"^  (\w+)(?:/|\.py)\s", part[1] if part else "", re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_layout_lists_the_modules_of_a_package(package: str) -> None:
    there = {name.split(".")[1] for name in modules() if name.startswith(f"{package}.")}
    assert sorted(layout(package)) == sorted(there - {"__init__", "__main__"})


@pytest.mark.parametrize("package", PACKAGES)
def test_the_layout_lists_the_stages_in_the_order_of_the_pipeline(package: str) -> None:
    parts = [stage.split(".") for stage in STAGES]
    stages = list(dict.fromkeys(part[1] for part in parts if part[0] == package))
    assert [name for name in layout(package) if name in stages] == stages


def test_the_ways_through_the_code_name_modules_that_exist() -> None:
    _, *ways = _blocks(ARCHITECTURE, "text")
    named = {name for way in ways for name in re.findall(r"[\w/]+\.py\b", way.text)}
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in modules().values()]
    assert len(ways) == 2
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()
