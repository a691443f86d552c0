"""What a question takes in a running program beside embedding it, in small and large indexes.

    python -m benchmarks.warm_ask --bench FOLDER [--chunks 3000 100000] [--questions 100]

The indexes hold passages and documentation in English and Portuguese. Beyond some thousand texts
these are repeated with a few words changed, and the vectors of a changed text are those of the
first one with noise: to embed them all would take hours. The default app, which answers with
sentences of the documents, and its embedding model take turns at each question. What counts is the
time of all processors, which depends little on what else the machine does.

RAG_BENCH_INDEXES names a folder in which the indexes are kept from run to run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval.datasets import Dataset, load_dataset
from ingest import Document, Index, RagError
from ingest.chunking import split_document
from ingest.embeddings import wrap_embeddings
from ingest.embeddings.bundled import BundledEmbeddings
from ingest.embeddings.types import Span
from rag_app import RagApp

SETS = ("clapnq", "faquad", "fastapi-pt-en", "fastapi-en-pt")
# Below the limit of a chunk, so that a text is one chunk also after a change.
_TEXT_TOKENS = 140
_CHANGED_WORDS = 4
_NOISE = 0.3
_BATCH = 5000
_WARM = 5


class VariedEmbeddings(BundledEmbeddings):
    """The bundled model; a changed text gets the vectors of the first one, with noise.

    Attributes:
        first: Of a changed text, the text that it was made of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, str] = {}
        self._known: dict[str, NDArray[np.float32]] = {}
        self._chance = np.random.default_rng(0)

    def embed_stretches(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span]]
    ) -> list[NDArray[np.float32]]:
        """Return vectors of each text and its spans; embed what was not changed from another."""
        vectors = [self._known.get(self.first.get(text, "")) for text in texts]
        pairs = zip(vectors, spans, strict=True)
        # Changed words may change where sentences end.
        new = [at for at, (one, own) in enumerate(pairs) if one is None or len(one) != 1 + len(own)]
        found = super().embed_stretches([texts[at] for at in new], [spans[at] for at in new])
        embedded = dict(zip(new, found, strict=True))
        self._known |= {texts[at]: one for at, one in embedded.items()}
        near = {at: self._near(one) for at, one in enumerate(vectors) if one is not None}
        return [(near | embedded)[at] for at in range(len(texts))]

    def _near(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        noise = self._chance.standard_normal(vectors.shape, np.float32)
        near = vectors + _NOISE / vectors.shape[1] ** 0.5 * noise
        unit: NDArray[np.float32] = near / np.linalg.norm(near, axis=1, keepdims=True)
        return unit


def main() -> None:
    """Print what a question takes in each index."""
    options = _arguments()
    sets = [load_dataset(options.bench, name) for name in SETS]
    questions = [question.text for one in sets for question in one.questions]
    chosen = random.Random(0).sample(questions, _WARM + options.questions)
    with TemporaryDirectory() as temporary:
        kept = Path(os.environ.get("RAG_BENCH_INDEXES") or temporary)
        for chunks in options.chunks:
            folder = kept / f"warm-{chunks}"
            build(folder, sets, chunks)
            measure(folder, chosen)


def build(folder: Path, sets: Sequence[Dataset], chunks: int) -> None:
    """Make an index of at least so many chunks, unless it is there."""
    embeddings = VariedEmbeddings()
    model = wrap_embeddings(embeddings)
    try:
        with closing(Index.open(folder, model)) as index:
            if index.status().chunks >= chunks:
                return
    except RagError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    texts = varied(_first_texts(sets, embeddings), chunks, embeddings.first)
    with closing(Index.from_texts(texts[:_BATCH], embeddings, folder=folder)) as index:
        for done in range(_BATCH, chunks, _BATCH):
            print(f"{folder.name}: {done:,} texts", file=sys.stderr)
            index.add_texts(texts[done : done + _BATCH])


def varied(texts: Sequence[str], count: int, first: dict[str, str]) -> list[str]:
    """Return so many texts: the given ones, then changed ones, which are noted in ``first``."""
    choose = random.Random(0)
    words = [word for text in texts for word in text.split() if word.isalpha()]
    made = list(texts[:count])
    while len(made) < count:
        text = texts[len(made) % len(texts)]
        changed = text
        for word in choose.sample(text.split(), min(_CHANGED_WORDS, len(text.split()))):
            if word.isalpha():
                changed = changed.replace(word, choose.choice(words), 1)
        first[changed] = text
        made.append(changed)
    return made


def _first_texts(sets: Sequence[Dataset], embeddings: BundledEmbeddings) -> list[str]:
    """Return the texts of the sets in parts that become one chunk each, well mixed."""
    texts = list(
        dict.fromkeys(
            chunk.text
            for one in sets
            for text in one.texts
            for chunk in split_document(
                Document(text.text), embeddings.tokenizer, _TEXT_TOKENS, embeddings.model.max_tokens
            )
        )
    )
    random.Random(0).shuffle(texts)
    return texts


def measure(folder: Path, questions: Sequence[str]) -> None:
    """Print what asking takes, and embedding alone."""
    app = RagApp(index=folder, llm="extractive")
    status = app.status()
    for question in questions[:_WARM]:
        app.ask(question)
    asked, embedded, stages = [], [], []
    for question in questions[_WARM:]:
        embedded.append(_milliseconds(lambda: app.embedding.embed_query(question)))  # noqa: B023
        asked.append(_milliseconds(lambda: stages.append(app.ask(question).timings)))  # noqa: B023
    print(f"\n{status.chunks:,} chunks, {len(asked)} questions, ms of all processors")
    print(f"{'':32}{'p50':>8}{'p95':>8}")
    for name, times in (("app.ask", asked), ("embedding.embed_query", embedded)):
        print(f"{name:32}{statistics.median(times):8.1f}{np.percentile(times, 95):8.1f}")
    print(f"{'ratio':32}{statistics.median(asked) / statistics.median(embedded):8.2f}")
    print(f"\n{'ms on the clock':32}{'p50':>8}{'p95':>8}")
    for stage, seconds in _by_stage(stages):
        times = [1000 * one for one in seconds]
        print(f"{stage:32}{statistics.median(times):8.1f}{np.percentile(times, 95):8.1f}")


def _by_stage(timings: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, list[float]]]:
    for stage in dict.fromkeys(stage for one in timings for stage in one):
        yield stage, [one[stage] for one in timings if stage in one]


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call, in all threads."""
    started = time.process_time()
    call()
    return 1000 * (time.process_time() - started)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument(
        "--chunks", type=int, nargs="+", default=[3000, 100_000], help="index sizes"
    )
    parser.add_argument("--questions", type=int, default=100, help="how many (default 100)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
