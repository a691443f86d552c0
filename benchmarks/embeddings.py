"""Speed and memory of the bundled embedding model beside sentence-transformers.

    python -m benchmarks.embeddings [DOCUMENTS] [--texts N] [--rounds 3]

Three models embed the chunks of a folder: the bundled e5, with a vector for each sentence as in an
index; sentence-transformers with the same weights as float32; and the bundled MiniLM. Each run is a
process of its own, they take turns, and each model counts with its median. What it takes to load
is not in the seconds, but in the memory. Then one question is embedded by a fresh process.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import alternate
from ingest import IndexSettings, Passage, embedding_model, split_sentences
from ingest.chunking import split_document
from ingest.embeddings.bundled import E5, MINILM
from ingest.embeddings.e5_folder import e5_folder
from ingest.loaders import load_document

DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"
QUESTION = "How many tokens does the embedding model read at most?"
OURS, THEIRS = f"bundled:{E5.name}", "sentence-transformers, float32"
_WARM = 32

COLD_OURS = """
import sys
from ingest import IndexSettings, embedding_model

embedding_model(IndexSettings(embedding=sys.argv[1])).embed_query(sys.argv[2])
"""
COLD_THEIRS = """
import sys
from sentence_transformers import SentenceTransformer

SentenceTransformer(sys.argv[1], device="cpu").encode(sys.argv[2], normalize_embeddings=True)
"""

Embed = Callable[[Sequence[Passage]], NDArray[np.float32]]


class Run(NamedTuple):
    """Seconds on the clock and of all processors, most memory in MB, and the vectors."""

    wall: float
    cpu: float
    memory: float
    vectors: NDArray[np.float32]


def main() -> None:
    """Print both tables."""
    options = _arguments()
    passages = list(_passages(options.documents))[: options.texts]
    characters = statistics.fmean(len(passage.whole) for passage in passages)
    print(f"{len(passages):,} texts, {characters:.0f} characters on average\n")
    models: dict[str, Callable[[], Embed]] = {
        OURS: _e5,
        THEIRS: _sentence_transformers,
        f"bundled:{MINILM.name}": _minilm,
    }
    rounds = [
        {name: _in_own_process(load, passages) for name, load in models.items()}
        for _ in range(options.rounds)
    ]
    _print_speeds(rounds, len(passages))
    cosines = (rounds[0][OURS].vectors * rounds[0][THEIRS].vectors).sum(axis=1)
    print(f"\ncosine of the first two: lowest {cosines.min():.5f}, mean {cosines.mean():.5f}\n")
    _print_cold(options.rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("documents", nargs="?", type=Path, default=DOCUMENTS, help="a folder")
    parser.add_argument("--texts", type=int, help="only the first so many chunks")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default 3)")
    return parser.parse_args()


def _passages(folder: Path) -> Iterator[Passage]:
    """Yield the chunks of the files as they are embedded for an index."""
    settings = IndexSettings()
    tokenizer = E5.read_tokenizer()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        document = load_document(path.name, path.read_bytes())
        room = E5.max_tokens - len(tokenizer.encode(E5.document_prompt, add_special_tokens=False))
        for chunk in split_document(document, tokenizer, settings.chunk_tokens, room):
            yield Passage(chunk.context, chunk.text, tuple(split_sentences(chunk.text)))


def _e5() -> Embed:
    return _bundled(OURS)


def _minilm() -> Embed:
    return _bundled(f"bundled:{MINILM.name}")


def _bundled(name: str) -> Embed:
    model = embedding_model(IndexSettings(embedding=name))
    return lambda passages: np.array([found.whole for found in model.embed_passages(passages)])


def _sentence_transformers() -> Embed:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(e5_folder()), device="cpu")

    def embed(passages: Sequence[Passage]) -> Any:
        texts = [passage.whole for passage in passages]
        return model.encode(texts, prompt=E5.document_prompt, normalize_embeddings=True)

    return embed


def _in_own_process(load: Callable[[], Embed], passages: Sequence[Passage]) -> Run:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, load, passages).result()


def _measure(load: Callable[[], Embed], passages: Sequence[Passage]) -> Run:
    embed = load()
    embed(passages[:_WARM])
    started, used = time.perf_counter(), time.process_time()
    vectors = embed(passages)
    return Run(time.perf_counter() - started, time.process_time() - used, _memory(), vectors)


def _memory() -> float:
    """Return the most memory that this process has held, in MB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1000


def _print_speeds(rounds: Sequence[dict[str, Run]], texts: int) -> None:
    print(f"{'':32}{'texts/s':>10}{'texts/CPU s':>13}{'peak MB':>10}{'wall':>8}{'CPU':>8}")
    for name in rounds[0]:
        wall, cpu, memory = (
            statistics.median(getattr(one[name], what) for one in rounds)
            for what in ("wall", "cpu", "memory")
        )
        ratios = (
            statistics.median(
                getattr(one[name], what) / getattr(one[THEIRS], what) for one in rounds
            )
            for what in ("wall", "cpu")
        )
        times = "".join(f"{f'× {ratio:.2f}':>8}" for ratio in ratios)
        print(f"{name:32}{texts / wall:10.0f}{texts / cpu:13.0f}{memory:10.0f}{times}")


def _print_cold(rounds: int) -> None:
    ours = [sys.executable, "-c", COLD_OURS, OURS, QUESTION]
    theirs = [sys.executable, "-c", COLD_THEIRS, str(e5_folder()), E5.query_prompt + QUESTION]
    print(f"{'one question, fresh process':32}{'wall s':>10}{'CPU s':>13}")
    medians = []
    for name, costs in zip((OURS, THEIRS), alternate(rounds, ours, theirs), strict=True):
        medians.append([statistics.median(values) for values in zip(*costs, strict=True)])
        print(f"{name:32}{medians[-1][0]:10.2f}{medians[-1][1]:13.2f}")
    wall, cpu = (one / other for one, other in zip(*medians, strict=True))
    print(f"{'ratio':32}{wall:10.2f}{cpu:13.2f}")


if __name__ == "__main__":
    main()
