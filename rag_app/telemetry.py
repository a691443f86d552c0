"""Time, tokens and cost of an answer, and OpenTelemetry spans of its stages.

Spans hold times, counts and model names, never text of questions, documents or answers. Nothing is
recorded unless the process has imported OpenTelemetry.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from opentelemetry.trace import Span

Attributes = Mapping[str, str | bool | int | float]

# The stages in order, and the names of their spans.
STAGES = {"retrieve": "retrieve", "prompt": "prompt", "generate": "generate", "cite": "verify"}


class Clock:
    """Measures the stages of an answer, as a context manager.

    The span of the answer is a child of the current span. It is not made the current span: a
    generator would leak that to its consumer.
    """

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._started = self._last = time.perf_counter()
        self._epoch = time.time_ns()

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        left = [stage for stage in STAGES if stage not in self.timings]
        now = time.perf_counter()
        if error and left:
            self._stage_span(left[0], now, {}, error)
        _end(self._span, self._nanoseconds(now), {}, error)

    @property
    def total(self) -> float:
        """Seconds from the start to the end of the last stage."""
        return self._last - self._started

    def done(self, stage: str, **attributes: str | bool | int | float) -> None:
        """Record the time since the stage before as that of ``stage``."""
        now = time.perf_counter()
        self._stage_span(stage, now, {f"rag.{key}": attributes[key] for key in attributes}, None)
        self.timings[stage], self._last = now - self._last, now

    @cached_property
    def _span(self) -> Span | None:
        return _start("answer", self._epoch)

    def _stage_span(
        self, stage: str, end: float, attributes: Attributes, error: BaseException | None
    ) -> None:
        if self._span:
            span = _start(STAGES.get(stage, stage), self._nanoseconds(self._last), self._span)
            _end(span, self._nanoseconds(end), attributes, error)

    def _nanoseconds(self, moment: float) -> int:
        return self._epoch + int((moment - self._started) * 1e9)


def _start(name: str, start: int, parent: Span | None = None) -> Span | None:
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry.trace import get_tracer, set_span_in_context

    context = set_span_in_context(parent) if parent else None
    return get_tracer("rag_app").start_span(name, context, start_time=start)


def _end(span: Span | None, end: int, attributes: Attributes, error: BaseException | None) -> None:
    if span is None:
        return
    span.set_attributes(attributes)
    # Closing a stream or cancelling a task is not an error.
    if isinstance(error, Exception):
        from opentelemetry.trace import StatusCode

        # The type only: the message may quote the question.
        span.set_status(StatusCode.ERROR, type(error).__name__)
    span.end(end)


_AMOUNTS = ("input_tokens", "output_tokens", "cost")
_SPENT: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)
_CUT = frozenset({"length", "max_tokens"})


def message_usage(message: BaseMessage | None) -> dict[str, float]:
    """Return ``input_tokens``, ``output_tokens`` and ``cost`` as far as known, ``cut`` as 1.

    ``cut`` is there if the text reached its maximum length. The cost is the server's own figure, in
    its currency, where it sends one, as OpenRouter does.
    """
    from langchain_core.messages import AIMessage

    if not isinstance(message, AIMessage):
        return {}
    usage: dict[str, float] = {}
    if tokens := message.usage_metadata:
        usage |= {name: tokens[name] for name in ("input_tokens", "output_tokens")}
    metadata = message.response_metadata
    cost = (metadata.get("token_usage") or {}).get("cost")
    if isinstance(cost, int | float):
        usage["cost"] = cost
    if _CUT & {str(metadata.get("finish_reason")), str(metadata.get("stop_reason"))}:
        usage["cut"] = 1
    return usage


def add_usage(usage: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """Return ``usage`` plus the tokens and the cost of ``more``."""
    return {**usage, **{name: usage.get(name, 0) + more[name] for name in _AMOUNTS if name in more}}


def start_spending() -> Mapping[str, float]:
    """Return the running total of `spend` in this context, also of threads that copy it."""
    spent: dict[str, float] = {}
    _SPENT.set(spent)
    return spent


def spend(message: BaseMessage) -> None:
    """Add the usage of a message that is not the answer itself, such as a rewritten question."""
    if (spent := _SPENT.get()) is not None:
        spent.update(add_usage(spent, message_usage(message)))
