"""Ask the index more than the question itself: other wordings of it, or an imagined answer.

Other wordings widen what is found. An imagined answer is often nearer in meaning to the text that
answers than the question is (Gao et al., "Precise Zero-Shot Dense Retrieval without Relevance
Labels", 2022).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ingest import Candidate

_MOST_WORDINGS = 3
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")

# Takes a question and returns what a chat model wrote about it.
Write = Callable[[str], str]
# Takes a question and returns what else to ask the index.
Rewrite = Callable[[str], list[str]]


def other_wordings(write: Write) -> Rewrite:
    """Return the rewriting to up to three other wordings, one in each line of what is written."""

    def rewrite(question: str) -> list[str]:
        lines = (_LIST_MARK.sub("", line).strip() for line in write(question).splitlines())
        return [line for line in dict.fromkeys(lines) if line and line != question][:_MOST_WORDINGS]

    return rewrite


def imagined_answer(write: Write) -> Rewrite:
    """Return the rewriting to one paragraph that could answer the question."""

    def rewrite(question: str) -> list[str]:
        paragraph = write(question).strip()
        return [paragraph] if paragraph else []

    return rewrite


def merge(found: Iterable[Sequence[Candidate]]) -> list[Candidate]:
    """Return the candidates of several searches, each once with its best scores."""
    merged: dict[int, Candidate] = {}
    for candidates in found:
        for one in candidates:
            known = merged.get(one.row.id, one)
            merged[one.row.id] = replace(
                known, dense=max(known.dense, one.dense), lexical=max(known.lexical, one.lexical)
            )
    return list(merged.values())
