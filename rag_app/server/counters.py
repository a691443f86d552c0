"""What ``/metrics`` counts: answers by outcome, their seconds and tokens; never any text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from rag_app.types import Answer

_ANSWERS = Counter(
    "rag_answers",
    "Questions by collection, chat model and outcome",
    ("collection", "llm", "outcome"),
)
_SECONDS = Histogram(
    "rag_answer_seconds",
    "Seconds from a question to its whole answer",
    ("collection",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_TOKENS = Counter("rag_tokens", "Tokens of chat models", ("collection", "llm", "direction"))
_ASKED = Gauge("rag_questions_running", "Questions that are being answered", ("collection",))


@contextmanager
def answering(collection: str) -> Iterator[None]:
    """Count a question as running, and as failed if it ends with an error."""
    with _ASKED.labels(collection).track_inprogress():
        try:
            yield
        except Exception:
            _ANSWERS.labels(collection, "", "failed").inc()
            raise


def count_answer(collection: str, answer: Answer) -> None:
    """Count an answer."""
    outcome = "abstained" if answer.abstained else "answered"
    _ANSWERS.labels(collection, answer.llm, outcome).inc()
    _SECONDS.labels(collection).observe(answer.timings.get("total", 0.0))
    for direction in ("input", "output"):
        if tokens := answer.usage.get(f"{direction}_tokens"):
            _TOKENS.labels(collection, answer.llm, direction).inc(tokens)
