"""Query rewriting: search for more than the question, as the setting ``rewrite`` says.

Multi-query searches for other wordings of the question too. HyDE searches for a hypothetical
answer, which is often closer in meaning to the text that answers than the question is (Gao et al.,
"Precise Zero-Shot Dense Retrieval without Relevance Labels", 2022).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ingest import Candidate

_MAX_WORDINGS = 3  # as prompts/multi-query.yaml asks for
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")

# Takes a question and returns a chat model's reply to the rewriting prompt.
Write = Callable[[str], str]
# Takes a question and returns the additional texts to search for.
Rewrite = Callable[[str], list[str]]


def multi_query(write: Write) -> Rewrite:
    """Return a rewriter to at most three other wordings, one per line of the reply."""

    def rewrite(question: str) -> list[str]:
        lines = (_LIST_MARK.sub("", line).strip() for line in write(question).splitlines())
        return [line for line in dict.fromkeys(lines) if line and line != question][:_MAX_WORDINGS]

    return rewrite


def hyde(write: Write) -> Rewrite:
    """Return a rewriter to one paragraph that could answer the question."""

    def rewrite(question: str) -> list[str]:
        paragraph = write(question).strip()
        return [paragraph] if paragraph else []

    return rewrite


def merge(found: Iterable[Sequence[Candidate]]) -> list[Candidate]:
    """Return the candidates of several searches without duplicates, each with its best scores."""
    merged: dict[int, Candidate] = {}
    for candidates in found:
        for one in candidates:
            known = merged.setdefault(one.row.id, one)
            if known is not one:
                dense, lexical = max(known.dense, one.dense), max(known.lexical, one.lexical)
                merged[one.row.id] = replace(known, dense=dense, lexical=lexical)
    return list(merged.values())
