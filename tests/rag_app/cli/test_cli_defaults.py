"""Which index is asked and which folder is followed where nobody names them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from running import Rag, fingerprint

GATE = "The north gate opens at six."


@pytest.fixture
def archive(tmp_path: Path, rag_alone: Rag) -> Path:
    """A folder elsewhere with documents and an index of them, and nothing in the current one."""
    folder = tmp_path / "archive"
    (folder / "papers").mkdir(parents=True)
    (folder / "papers" / "gate.txt").write_text(GATE)
    made = rag_alone("index", str(folder / "papers"), "--index", str(folder / "idx"))
    assert (made.code, made.err) == (0, "")
    return folder


def using(index: Path) -> str:
    return f"note: using the index {index}, the last one that 'rag index' made\n"


def following(folder: Path) -> str:
    return f"note: following {folder}, which the index was made from\n"


def held(rag: Rag, index: Path) -> int:
    return int(json.loads(rag("status", "--json", "--index", str(index)).out)["documents"])


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "When does the north gate open?"],
        ["search", "gate"],
        ["show", "gate.txt:0-28"],
        ["status"],
        ["verify"],
        ["doctor"],
        ["export", "gate.rag"],
        ["compare", "When does the north gate open?", "--llm", "extractive"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_finds_the_index_made_last_and_says_so(
    command: list[str], archive: Path, rag_alone: Rag
) -> None:
    run = rag_alone(*command, "--json")
    assert run.code == 0
    assert run.err.startswith(using(archive / "idx"))
    assert json.loads(run.out)
    assert using(archive / "idx") not in rag_alone(*command, "--quiet", "--json").err


def test_a_chat_finds_the_index_made_last(archive: Path, rag_alone: Rag) -> None:
    run = rag_alone("chat", stdin="When does the north gate open?\n")
    assert (run.code, run.err) == (0, using(archive / "idx"))
    assert run.out.startswith(GATE)


def test_of_two_indexes_the_one_made_last_counts(archive: Path, rag_alone: Rag) -> None:
    rag_alone("index", str(archive / "papers"), "--index", "second")
    assert rag_alone("status").err == using(Path("second").resolve())
    rag_alone("index", "--index", str(archive / "idx"))
    assert rag_alone("status").err == using(archive / "idx")


def test_a_dry_run_and_a_sync_that_fails_are_not_remembered(archive: Path, rag_alone: Rag) -> None:
    assert rag_alone("index", str(archive / "papers"), "--index", "i", "--dry-run").code == 0
    assert rag_alone("index", "nowhere", "--index", "i").code == 2
    assert rag_alone("status").err == using(archive / "idx")


@pytest.mark.parametrize("named", ["flag", "environment", ".env", "rag.toml"])
def test_a_named_index_is_the_one_that_is_meant(
    named: str, archive: Path, rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    match named:
        case "environment":
            monkeypatch.setenv("RAG_INDEX", "mine")
        case ".env":
            Path(".env").write_text("RAG_INDEX=mine\n")
        case "rag.toml":
            Path("rag.toml").write_text('index = "mine"\n')
    run = rag_alone("status", *(["--index", "mine"] if named == "flag" else []))
    assert (run.code, run.err) == (
        3,
        "error: there is no index in mine: run 'rag index' to make one\n",
    )


def test_an_index_in_the_current_folder_comes_first(archive: Path, rag_alone: Rag) -> None:
    Path("data").mkdir()
    shutil.copytree(archive / "idx", "data/index")
    assert rag_alone("status").err == ""
    Path("data/index/CURRENT").write_text("damaged")
    assert rag_alone("status").code == 3


def test_an_index_that_is_gone_is_not_used(archive: Path, rag_alone: Rag) -> None:
    shutil.rmtree(archive / "idx")
    run = rag_alone("status")
    assert (run.code, run.out) == (3, "")
    assert run.err.startswith("error: there is no index in data/index")


def test_config_tells_where_the_index_came_from(archive: Path, rag_alone: Rag) -> None:
    def row(*arguments: str) -> tuple[str, str]:
        rows = json.loads(rag_alone("config", "--json", *arguments).out)
        return next((row["value"], row["origin"]) for row in rows if row["name"] == "index")

    assert row() == (str(archive / "idx"), "last 'rag index'")
    assert row("--index", "i") == ("i", "flag")


def test_a_sync_in_a_folder_of_its_own_makes_its_own_index(archive: Path, rag_alone: Rag) -> None:
    Path("data/documents").mkdir(parents=True)
    Path("data/documents/a.txt").write_text("The depot opens at seven.")
    before = fingerprint(archive)
    assert rag_alone("index").out.startswith("files: 1 new; ")
    assert Path("data/index/CURRENT").is_file()
    assert fingerprint(archive) == before


def test_a_home_that_cannot_be_written_to_does_no_harm(
    archive: Path, rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(Path("file").resolve()))
    assert rag_alone("index", "--index", str(archive / "idx"), "--quiet").code == 0
    assert rag_alone("status").code == 3


def test_an_index_remembers_its_folder(archive: Path, rag_alone: Rag) -> None:
    (archive / "papers" / "new.txt").write_text("The south gate opens at eight.")
    run = rag_alone("index", "--index", str(archive / "idx"))
    assert (run.code, run.err) == (0, following(archive / "papers"))
    assert run.out.startswith("files: 1 new, 1 unchanged; ")
    dry = rag_alone("index", "--index", str(archive / "idx"), "--dry-run", "--quiet")
    assert (dry.out, dry.err) == ("would change, files: 2 unchanged\n", "")
    rebuilt = rag_alone("index", "--index", str(archive / "idx"), "--rebuild")
    assert rebuilt.out.startswith("files: 2 new; ")


def test_a_folder_in_the_settings_belongs_to_the_index_there(
    archive: Path, rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("docs").mkdir()
    Path("docs/a.txt").write_text("The depot opens at seven.")
    monkeypatch.setenv("RAG_DOCUMENTS", "docs")
    assert rag_alone("index", "--index", str(archive / "idx")).err == following(archive / "papers")
    monkeypatch.setenv("RAG_INDEX", str(archive / "idx"))
    run = rag_alone("index")
    assert (run.code, run.out) == (2, "")
    assert f"follows the folder {archive / 'papers'}, not docs" in run.err
    monkeypatch.delenv("RAG_DOCUMENTS")
    assert rag_alone("index").err == following(archive / "papers")


def test_a_folder_on_the_command_line_wins(archive: Path, rag_alone: Rag) -> None:
    (archive / "papers").rename(archive / "renamed")
    run = rag_alone("index", str(archive / "renamed"), "--index", str(archive / "idx"))
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("files: 1 unchanged; ")
    assert rag_alone("index", "--index", str(archive / "idx")).err == following(archive / "renamed")


@pytest.mark.parametrize("option", [[], ["--dry-run"], ["--rebuild"], ["--watch"]], ids="".join)
@pytest.mark.parametrize("named", ["flag", "environment"])
def test_an_index_is_never_emptied_because_its_folder_is_gone(
    option: list[str], named: str, archive: Path, rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("data/documents").mkdir(parents=True)
    Path("data/documents/other.txt").write_text("Something else.")
    (archive / "papers").rename(archive / "away")
    before = fingerprint(archive / "idx")
    if named == "environment":
        monkeypatch.setenv("RAG_INDEX", str(archive / "idx"))
    arguments = ["--index", str(archive / "idx")] if named == "flag" else []
    run = rag_alone("index", *arguments, *option)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: the folder {archive / 'papers'}, which the index ")
    assert "restore it, or name another folder" in run.err
    assert fingerprint(archive / "idx") == before
    assert held(rag_alone, archive / "idx") == 1


def test_a_project_that_was_moved_goes_on(tmp_path: Path, rag_alone: Rag) -> None:
    Path("data/documents").mkdir(parents=True)
    Path("data/documents/gate.txt").write_text(GATE)
    rag_alone("index")
    moved = Path.cwd().rename(tmp_path / "moved")
    os.chdir(moved)
    run = rag_alone("index")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("files: 1 unchanged; ")


def test_the_last_index_is_not_repaired_from_another_folder(archive: Path, rag_alone: Rag) -> None:
    Path("data/documents").mkdir(parents=True)
    Path("data/documents/other.txt").write_text("Something else.")
    (archive / "papers").rename(archive / "away")
    catalog = archive / "idx" / "v1" / "catalog.sqlite"
    content = bytearray(catalog.read_bytes())
    place = content.index(GATE.encode())
    content[place : place + 3] = b"Tha"
    catalog.write_bytes(content)
    assert "1 damages" in rag_alone("verify", "--repair").out
    assert "other.txt" not in rag_alone("search", "something else", "--json").out
