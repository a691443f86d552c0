"""One real index of the sample documents, built once, and a way to run the command on it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import DOCUMENTS, Rag, Run

from ingest import EmbeddingModel, Passage
from ingest.embeddings import EmbeddingIdentity, PassageVectors
from rag_app.cli import main

_VECTORS: dict[tuple[EmbeddingIdentity, Passage], PassageVectors] = {}


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an index of data/documents; only read it."""
    folder = tmp_path_factory.mktemp("sample") / "index"
    with _embedding_once():
        assert main(["index", str(DOCUMENTS), "--index", str(folder), "--quiet", "--json"]) == 0
    return folder


@pytest.fixture
def sample_vectors(sample_index: Path) -> Iterator[None]:
    """Let the texts of the sample index be indexed again with the vectors they have there."""
    with _embedding_once():
        yield


@contextmanager
def _embedding_once() -> Iterator[None]:
    embed = EmbeddingModel.embed_passages

    def embed_new(model: EmbeddingModel, passages: Sequence[Passage]) -> list[PassageVectors]:
        new = [one for one in passages if (model.identity, one) not in _VECTORS]
        for one, vectors in zip(new, embed(model, new), strict=True):
            _VECTORS[model.identity, one] = vectors
        return [_VECTORS[model.identity, one] for one in passages]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddingModel, "embed_passages", embed_new)
        yield


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
