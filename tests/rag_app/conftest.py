"""One real index of the sample documents, built once, and a way to run the command on it."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from running import DOCUMENTS, Rag, Run

from rag_app.cli import main


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an index of data/documents; only read it."""
    folder = tmp_path_factory.mktemp("sample") / "index"
    assert main(["index", str(DOCUMENTS), "--index", str(folder), "--quiet", "--json"]) == 0
    return folder


@pytest.fixture
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder without any setting in the environment."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in list(os.environ):
        if name.startswith("RAG_") or name == "OPENAI_API_KEY":
            monkeypatch.delenv(name)
    return folder


@pytest.fixture
def rag_alone(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Rag:
    """Run a command in a folder without documents and without an index."""

    def run(*arguments: str, stdin: str = "") -> Run:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main(arguments)
        return Run(code, *capsys.readouterr())

    return run


@pytest.fixture
def rag(rag_alone: Rag, sample_index: Path, monkeypatch: pytest.MonkeyPatch) -> Rag:
    """Run a command on the sample documents and their index."""
    monkeypatch.setenv("RAG_INDEX", str(sample_index))
    monkeypatch.setenv("RAG_DOCUMENTS", str(DOCUMENTS))
    return rag_alone
