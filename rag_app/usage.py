"""What an answer took, as far as the provider tells."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from langchain_core.messages import AIMessage, BaseMessage

_AMOUNTS = ("input_tokens", "output_tokens", "cost")
_SPENT: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)
_CUT = frozenset({"length", "max_tokens"})


def message_usage(message: BaseMessage | None) -> dict[str, float]:
    """Return ``input_tokens``, ``output_tokens``, ``cost``, and ``cut`` as 1 where it was cut.

    The cost is what a server says it was, as OpenRouter does, in its own currency.
    """
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
    """Return ``usage`` with the tokens and the cost of ``more`` on top."""
    return {**usage, **{name: usage.get(name, 0) + more[name] for name in _AMOUNTS if name in more}}


def start_spending() -> Mapping[str, float]:
    """Return what `spend` adds up from now on, in this context and the threads it is copied to."""
    spent: dict[str, float] = {}
    _SPENT.set(spent)
    return spent


def spend(message: BaseMessage) -> None:
    """Count a message that was written on the way to an answer."""
    if (spent := _SPENT.get()) is not None:
        spent.update(add_usage(spent, message_usage(message)))
