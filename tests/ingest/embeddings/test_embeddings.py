"""Which model a name means, and the models of Hugging Face and of OpenAI-compatible servers."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from ingest.embeddings import EmbeddingModel, embedding_model, model_folder
from ingest.embeddings.minilm import minilm_folder
from ingest.errors import MissingExtraError, MissingKeyError, ProviderError, UsageError
from ingest.settings import IndexSettings

KEY = "sk-secret-of-the-test"

TEXTS = [
    "a",
    "What is the capital of Portugal?",
    "Qual é a capital de Portugal?",
    "🙂🙃 emoji 👩‍👩‍👧‍👦 family",
    "Vaccines reduce the risk of severe disease. " * 100,
    "naïve café Ångström ﬁne",
]


def settings(**values: Any) -> IndexSettings:
    return IndexSettings(_env_file=None, **values)


def worst_cosine(ours: Any, theirs: Any) -> float:
    return float((np.asarray(ours) * np.asarray(theirs)).sum(axis=1).min())


# Which model


@pytest.mark.parametrize(
    "name", ["", "bundled", "bundled:other", "huggingface:", "openai:", "cohere:embed", "openai"]
)
def test_an_unknown_model_lists_the_possible_ones(name: str) -> None:
    with pytest.raises(UsageError, match="possible: bundled:e5-small-en-pt, bundled:all-MiniLM"):
        embedding_model(settings(embedding=name))


@pytest.mark.parametrize("provider", ["huggingface", "openai"])
def test_a_missing_extra_is_named(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.embeddings.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=f"pip install .*langchain-{provider}>"):
        embedding_model(settings(embedding=f"{provider}:some-model"))


def test_the_folder_of_the_weights_is_that_of_the_model() -> None:
    assert model_folder(settings(embedding="bundled:all-MiniLM-L6-v2")) == minilm_folder()
    given = f"huggingface:{minilm_folder()}"
    assert model_folder(settings(embedding=given)) == minilm_folder()
    with pytest.raises(UsageError, match="has no weights here: set RAG_EMBEDDING to bundled:e5-"):
        model_folder(settings(embedding="openai:text-embedding-3-small"))
    with pytest.raises(UsageError, match="possible: bundled:e5-small-en-pt"):
        model_folder(settings(embedding="bundled:other"))


def test_the_fields_that_differ_are_listed(embedding: EmbeddingModel) -> None:
    ours = embedding.identity
    assert ours.differences(ours) == ()
    theirs = replace(ours, dimension=768, weights=None)
    assert ours.differences(theirs) == (
        f"weights: '{ours.weights}' != None",
        "dimension: 384 != 768",
    )


# Hugging Face


@pytest.mark.slow
def test_a_folder_is_a_hugging_face_model(minilm: EmbeddingModel) -> None:
    ours = embedding_model(settings(embedding=f"huggingface:{minilm_folder()}"))
    assert worst_cosine(ours.embed_documents(TEXTS), minilm.embed_documents(TEXTS)) > 0.999
    assert ours.identity.dimension == 384
    assert ours.identity.max_tokens == 256
    assert ours.identity.precision == "float32"
    assert ours.identity.weights is not None
    assert len(ours.tokenizer.encode("word " * 1000).ids) == 1002
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ours.embed_query, TEXTS))
    assert worst_cosine(np.stack(found), ours.embed_documents(TEXTS)) > 0.999


@pytest.mark.slow
def test_the_prompts_of_a_model_are_used(tmp_path: Path) -> None:
    folder = tmp_path / "prompted"
    shutil.copytree(minilm_folder(), folder)
    prompts = {"query": "query: ", "passage": "passage: "}
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    plain = embedding_model(settings(embedding=f"huggingface:{minilm_folder()}"))
    ours = embedding_model(settings(embedding=f"huggingface:{folder}"))
    assert ours.identity.query_prompt == "query: "
    assert ours.identity.document_prompt == "passage: "
    assert ours.identity.weights == plain.identity.weights
    assert ours.embed_query("fox") @ plain.embed_query("query: fox") > 0.9999
    assert ours.embed_documents(["fox"])[0] @ plain.embed_query("passage: fox") > 0.9999


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        embedding_model(settings(embedding=f"huggingface:{tmp_path}/none"))
    assert str(caught.value).endswith("is not a folder; give a folder or a hub id")


def test_a_hub_id_without_the_hub_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        embedding_model(settings(embedding="huggingface:nobody/no-such-model"))
    assert "huggingface:nobody/no-such-model is neither a folder" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["modules.json", "model.safetensors", "config.json"])
def test_a_broken_folder_is_one_sentence(file: str, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(minilm_folder(), folder)
    (folder / file).write_bytes(b"{")
    with pytest.raises(UsageError, match="can't be loaded from") as caught:
        embedding_model(settings(embedding=f"huggingface:{folder}"))
    assert "\n" not in str(caught.value)


# OpenAI


class EmbeddingServer(ThreadingHTTPServer):
    """Speaks POST /v1/embeddings; ``status`` other than 200 echoes the key."""

    status = 200
    dimension = 8
    value: float = 2.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EmbeddingRequest)
        self.inputs: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class EmbeddingRequest(BaseHTTPRequestHandler):
    server: EmbeddingServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.inputs.append(asked["input"])
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(self.body(asked["input"])).encode())

    def body(self, texts: list[str]) -> dict[str, Any]:
        if self.server.status != 200:
            return {"error": {"message": f"bad {self.headers['Authorization']}"}}
        vector = [self.server.value, *[0.0] * (self.server.dimension - 1)]
        data = [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(texts))]
        return {"object": "list", "model": "m", "data": data, "usage": {}}

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remote(server: EmbeddingServer, model: str = "local-model") -> EmbeddingModel:
    return embedding_model(
        settings(
            embedding=f"openai:{model}",
            embedding_base_url=server.url,
            openai_api_key=SecretStr(KEY),
        )
    )


def test_a_server_gets_plain_strings_and_gives_vectors(server: EmbeddingServer) -> None:
    model = remote(server)
    vectors = model.embed_documents(["one", "dois"])
    assert server.inputs == [["dimension"], ["one", "dois"]]
    assert model.identity.dimension == 8
    assert vectors.tolist() == [[1.0] + [0.0] * 7] * 2


def test_a_known_model_needs_no_request_to_know_its_dimension(server: EmbeddingServer) -> None:
    model = remote(server, "text-embedding-3-large")
    assert (model.identity.dimension, model.identity.max_tokens) == (3072, 8191)
    assert server.inputs == []


def test_a_wrong_dimension_is_an_error(server: EmbeddingServer) -> None:
    model = remote(server)
    server.dimension = 9
    with pytest.raises(ProviderError, match=r"1 vectors of \[9\] .* expected 8"):
        model.embed_query("one")


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_vector_without_direction_is_an_error(server: EmbeddingServer, value: float) -> None:
    model = remote(server)
    server.value = value
    with pytest.raises(ProviderError):
        model.embed_query("one")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(401, "refused the key", id="401"),
        pytest.param(404, "not known there", id="404"),
        pytest.param(500, "failed with HTTP 500", id="500"),
    ],
)
def test_a_refusal_never_repeats_the_key(
    server: EmbeddingServer, status: int, message: str
) -> None:
    model = remote(server)
    server.status = status
    with pytest.raises(ProviderError, match=message) as caught:
        model.embed_query("one")
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_server_that_is_gone_is_named(server: EmbeddingServer) -> None:
    model = remote(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(ProviderError, match="can't be reached"):
        model.embed_query("one")


@pytest.mark.parametrize("key", [None, SecretStr("")])
def test_a_missing_key_is_told_before_any_request(
    key: SecretStr | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        embedding_model(settings(embedding="openai:text-embedding-3-small", openai_api_key=key))
