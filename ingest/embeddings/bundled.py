"""Embedding models from packages, run on the CPU without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from ingest.embeddings import e5, minilm
from ingest.embeddings.types import EmbeddingIdentity, Span

if TYPE_CHECKING:
    from ingest.embeddings.openvino_encoder import Encoder, ReadWeights

DIMENSION = 384

# Measured: enough tokens to keep a core busy, few enough that the cores finish together.
_BATCH_TOKENS = 2048
# Lengths are rounded up to this, because OpenVINO is faster on shapes it has seen before. Chosen by
# hand.
_LENGTH_STEP = 16


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A bundled model and how it is used.

    Attributes:
        name: The name after ``bundled:``.
        digest: SHA-256 of the weights.
        max_tokens: Longest text, in tokens including the two special ones.
        query_prompt: Prefix of a question.
        document_prompt: Prefix of any other text.
        read_tokenizer: Reads the tokenizer from the package.
        read_weights: Reads the weights from the package.
    """

    name: str
    digest: str
    max_tokens: int
    query_prompt: str
    document_prompt: str
    read_tokenizer: Callable[[], Tokenizer]
    read_weights: ReadWeights


E5 = BundledModel(
    name=e5.NAME,
    digest=e5.SHA256,
    max_tokens=e5.MAX_TOKENS,
    query_prompt=e5.QUERY_PROMPT,
    document_prompt=e5.DOCUMENT_PROMPT,
    read_tokenizer=e5.read_tokenizer,
    read_weights=e5.read_weights,
)
MINILM = BundledModel(
    name=minilm.NAME,
    digest=minilm.SHA256,
    max_tokens=minilm.MAX_TOKENS,
    query_prompt="",
    document_prompt="",
    read_tokenizer=minilm.read_tokenizer,
    read_weights=minilm.read_weights,
)


class BundledEmbeddings(Embeddings):
    """LangChain embeddings of a bundled model; safe to share between threads."""

    def __init__(self, model: BundledModel = E5) -> None:
        from ingest.embeddings.openvino_encoder import Encoder

        self.model = model
        self.tokenizer = model.read_tokenizer()
        self._encoder: Encoder = Encoder(model.name, model.digest, model.read_weights)

    @property
    def identity(self) -> EmbeddingIdentity:
        """What the vectors depend on; the precision is ``bf16`` if the CPU has it, else ``f32``."""
        return EmbeddingIdentity(
            provider="bundled",
            model=self.model.name,
            weights=self.model.digest,
            dimension=DIMENSION,
            query_prompt=self.model.query_prompt,
            document_prompt=self.model.document_prompt,
            max_tokens=self.model.max_tokens,
            precision=self._encoder.precision,
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector of length 1 per text."""
        vectors = self.embed_stretches(texts, [()] * len(texts))
        return [vector.tolist() for (vector,) in vectors]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question, of length 1."""
        ((vector,),) = self._embed([self.model.query_prompt + text], [()])
        result: list[float] = vector.tolist()
        return result

    def embed_stretches(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span]]
    ) -> list[NDArray[np.float32]]:
        """Return the vector of each text and those of its spans, encoded within the whole text.

        Args:
            texts: The texts; what exceeds the model's limit is cut.
            spans: For each text, character offsets of its spans as (start, end).

        Returns:
            For each text an array of shape (1 + spans, dimension): the text, then its spans. A span
            beyond the model's limit is all 0.
        """
        prompt = self.model.document_prompt
        moved = [[(start + len(prompt), end + len(prompt)) for start, end in own] for own in spans]
        return self._embed([prompt + text for text in texts], moved)

    def _embed(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span]]
    ) -> list[NDArray[np.float32]]:
        encodings = self._encode(texts)
        vectors: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(texts)

        def embed(batch: list[int]) -> None:
            arrays = _arrays([encodings[at] for at in batch], [spans[at] for at in batch])
            for at, found in zip(batch, self._encoder.encode(*arrays), strict=True):
                vectors[at] = found[: 1 + len(spans[at])]

        batches = _batches(encodings)
        if len(batches) == 1:
            embed(batches[0])
        elif batches:
            with ThreadPoolExecutor(self._encoder.streams) as pool:
                list(pool.map(embed, batches))
        return vectors

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Return the tokens of each text, cut at the model's limit."""
        encodings = self.tokenizer.encode_batch(list(texts))
        return [
            encoding if len(encoding) <= self.model.max_tokens else self._encode_beginning(text)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _encode_beginning(self, text: str) -> Encoding:
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        special = self.tokenizer.num_special_tokens_to_add(False)
        encoding.truncate(self.model.max_tokens - special)
        return self.tokenizer.post_process(encoding)


def _batches(encodings: Sequence[Encoding]) -> list[list[int]]:
    """Return the indices of the texts, longest first, in batches of similar length."""
    queue = sorted(range(len(encodings)), key=lambda at: -len(encodings[at]))
    batches = []
    while queue:
        size = max(1, _BATCH_TOKENS // _rounded(len(encodings[queue[0]])))
        batches.append(queue[:size])
        queue = queue[size:]
    return batches


def _arrays(
    encodings: Sequence[Encoding], spans: Sequence[Sequence[Span]]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the inputs of a batch; for their shapes see `bert_graph.build_graph`."""
    length = _rounded(max(len(encoding) for encoding in encodings))
    tokens = np.zeros((len(encodings), length), np.int32)
    mask = np.zeros((len(encodings), length), np.float32)
    stretches = np.zeros((len(encodings), 1 + max(map(len, spans)), length), np.float32)
    for row, (encoding, own) in enumerate(zip(encodings, spans, strict=True)):
        tokens[row, : len(encoding)] = encoding.ids
        mask[row, : len(encoding)] = 1
        stretches[row, 0] = mask[row]
        if own:
            starts, ends = np.array(encoding.offsets).T
            for place, (start, end) in enumerate(own, 1):
                # A token may extend beyond a span; special tokens are empty.
                inside = (starts < end) & (ends > start) & (ends > starts)
                stretches[row, place, : len(encoding)] = inside
    return tokens, mask, stretches


def _rounded(length: int) -> int:
    return -(-length // _LENGTH_STEP) * _LENGTH_STEP
