"""What an answer took, as far as the provider tells."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage

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
