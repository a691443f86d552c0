"""Speed of the bundled embedding model beside sentence-transformers on the same weights.

    python -m benchmarks.embeddings [FILE_OR_FOLDER ...] [--texts 500] [--rounds 3]

Texts are the paragraphs of the given files (for .jsonl the "text" of each line), else made up.
The two take turns on the same texts and each counts with its best round.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from ingest.embeddings import embedding_model
from ingest.embeddings.bundled import bundled_folder
from ingest.settings import IndexSettings

_WORDS = (
    "the index keeps every chunk with its source and page while a question asks for evidence "
    "o documento descreve as regras da universidade e os prazos de matrícula dos estudantes"
).split()


def main() -> None:
    """Print a table of texts per second, milliseconds per question and agreement."""
    arguments = _arguments()
    texts = list(_texts(arguments.paths))[: arguments.texts] or _made_up(arguments.texts)
    ours = embedding_model(IndexSettings(embedding="bundled:all-MiniLM-L6-v2"))
    theirs = SentenceTransformer(str(bundled_folder()), device="cpu")

    def reference(some: Sequence[str]) -> Any:
        return theirs.encode(list(some), normalize_embeddings=True)

    our_name, their_name = f"bundled {ours.identity.precision}", "sentence-transformers fp32"
    speeds = _side_by_side(arguments.rounds, texts, ours.embed_documents, reference)
    waits = [1000 * _median_seconds(texts, one) for one in (ours.embed_query, _single(reference))]
    cosines = (ours.embed_documents(texts) * reference(texts)).sum(axis=1)
    print(f"{len(texts)} texts, {sum(map(len, texts)) / len(texts):.0f} characters on average\n")
    print(f"{'':28}{'texts/s':>10}{'ms/question':>14}")
    for name, speed, wait in zip((our_name, their_name), speeds, waits, strict=True):
        print(f"{name:28}{speed:10.0f}{wait:14.1f}")
    print(f"{'ratio':28}{speeds[0] / speeds[1]:10.2f}{waits[1] / waits[0]:14.2f}")
    print(f"\ncosine between the two: lowest {cosines.min():.5f}, mean {cosines.mean():.5f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="text files, .jsonl or folders")
    parser.add_argument("--texts", type=int, default=500, help="how many texts (default 500)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each (default 3)")
    return parser.parse_args()


def _texts(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        if path.is_dir():
            yield from _texts(sorted(path.iterdir()))
        elif path.suffix == ".jsonl":
            yield from (json.loads(line)["text"] for line in path.open(encoding="utf-8"))
        else:
            pieces = path.read_text("utf-8", errors="replace").split("\n\n")
            yield from (piece for piece in pieces if piece.strip())


def _made_up(count: int) -> list[str]:
    chance = random.Random(0)
    return [" ".join(chance.choices(_WORDS, k=chance.randint(5, 180))) for _ in range(count)]


def _side_by_side(rounds: int, texts: Sequence[str], *models: Callable[..., Any]) -> list[float]:
    """Return texts per second of each model, which take turns since a machine has moods."""
    best = [np.inf] * len(models)
    for model in models:
        model(texts[:32])
    for _ in range(rounds):
        for place, model in enumerate(models):
            best[place] = min(best[place], _seconds(model, texts))
    return [len(texts) / seconds for seconds in best]


def _single(model: Callable[[Sequence[str]], Any]) -> Callable[[str], Any]:
    return lambda text: model([text])


def _median_seconds(texts: Sequence[str], model: Callable[[str], Any]) -> float:
    questions = [" ".join(text.split()[:12]) for text in texts[:50]]
    return float(np.median([_seconds(model, question) for question in questions]))


def _seconds(model: Callable[[Any], Any], argument: Any) -> float:
    start = time.perf_counter()
    model(argument)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
