from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import EmbeddingModel, IndexSettings, embedding_model


@pytest.fixture(scope="session")
def embedding() -> EmbeddingModel:
    return embedding_model(IndexSettings())


@pytest.fixture(scope="session")
def minilm() -> EmbeddingModel:
    return embedding_model(IndexSettings(embedding="bundled:all-MiniLM-L6-v2"))


@pytest.fixture
def settings(tmp_path: Path) -> IndexSettings:
    documents = tmp_path / "documents"
    documents.mkdir()
    return IndexSettings(documents=documents, index=tmp_path / "index")


@pytest.fixture
def write(settings: IndexSettings) -> Callable[[str, str], Path]:
    """Write a document into the folder."""

    def write_document(source: str, text: str) -> Path:
        path = settings.documents / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_document
