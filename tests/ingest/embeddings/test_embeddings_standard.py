"""LangChain's own tests of an embedding model."""

from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from ingest.embeddings.bundled import BundledEmbeddings
from ingest.embeddings.minilm import minilm_folder


class BundledCase:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return BundledEmbeddings


class TestBundledUnit(BundledCase, EmbeddingsUnitTests):
    pass


class TestBundledIntegration(BundledCase, EmbeddingsIntegrationTests):
    pass


class HuggingFaceCase:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        from ingest.embeddings.huggingface import SentenceTransformerEmbeddings

        return SentenceTransformerEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model_name": str(minilm_folder()), "model_kwargs": {"device": "cpu"}}


@pytest.mark.slow
class TestHuggingFaceUnit(HuggingFaceCase, EmbeddingsUnitTests):
    pass


@pytest.mark.slow
class TestHuggingFaceIntegration(HuggingFaceCase, EmbeddingsIntegrationTests):
    pass
