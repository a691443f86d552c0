"""Split examples into training, validation and test without leakage."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from ingest import UsageError
from rag_app.tuning.types import Example, IndexedChunk, Split

# Both chosen by hand: a third is held out, and fewer make no useful interval.
FEWEST_QUESTIONS = 30
_FEWEST_GROUPS = 12

Keys = Callable[[Example], set[Hashable]]


def split_examples(examples: Sequence[Example], chunks: Sequence[IndexedChunk], seed: int) -> Split:
    """Hold out a third of the documents for the test and a sixth for validation.

    Few documents are split by chunk. Examples that share a document, the text of a chunk or the
    wording of the question are in the same part.

    Raises:
        UsageError: There are too few examples.
    """

    def texts(example: Example) -> set[Hashable]:
        own = {chunks[at].embedding_text for at in example.chunks}
        return {("chunk", text) for text in own} | {("question", example.question.casefold())}

    def documents(example: Example) -> set[Hashable]:
        return texts(example) | {("document", chunks[at].source) for at in example.chunks}

    # Independent of the order of the questions in their file.
    ordered = sorted(examples, key=lambda one: (one.chunks, one.question))
    ways: tuple[tuple[bool, Keys], ...] = ((True, documents), (False, texts))
    if len(examples) >= FEWEST_QUESTIONS:
        for by_document, keys in ways:
            groups = _groups(ordered, keys)
            if len(groups) >= _FEWEST_GROUPS:
                return _deal(groups, seed, by_document)
    raise UsageError(
        f"{len(examples)} questions could be matched to chunks; tuning needs at least "
        f"{FEWEST_QUESTIONS}, on at least {_FEWEST_GROUPS} different chunks"
    )


def _groups(examples: Iterable[Example], keys: Keys) -> list[list[Example]]:
    """Return the examples in groups without common keys, in the order of their first examples."""
    groups: dict[int, list[Example]] = {}
    owner: dict[Hashable, int] = {}
    for number, example in enumerate(examples):
        own = keys(example)
        joined = sorted({owner[key] for key in own if key in owner})
        first = joined[0] if joined else number
        merged = [one for group in joined for one in groups.pop(group)]
        groups[first] = [*merged, example]
        if len(joined) > 1:
            absorbed = set(joined)
            owner.update({key: first for key, group in owner.items() if group in absorbed})
        owner.update(dict.fromkeys(own, first))
    return [groups[first] for first in sorted(groups)]


def _deal(groups: Sequence[list[Example]], seed: int, by_document: bool) -> Split:
    numbers = list(range(len(groups)))
    random.Random(seed).shuffle(numbers)
    held_out, validation = -(-len(groups) // 3), -(-len(groups) // 6)
    parts: dict[str, list[Example]] = defaultdict(list)
    for place, number in enumerate(numbers):
        name = "held_out" if place < held_out else "validation"
        name = name if place < held_out + validation else "train"
        parts[name] += [replace(example, group=number) for example in groups[number]]
    return Split(
        tuple(parts["train"]), tuple(parts["validation"]), tuple(parts["held_out"]), by_document
    )
