"""LangChain's own test suite for vector stores, on the real index with the real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from ingest import EmbeddingModel, Index
from ingest.index.directory import write_lock


class TestIndexStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(  # type: ignore[override]
        self, tmp_path: Path, embedding: EmbeddingModel
    ) -> Iterator[VectorStore]:
        with write_lock(tmp_path):
            index = Index.create(tmp_path, embedding, chunk_tokens=200)
            index.use()
        yield index
        index.close()
