"""Answers in replies that are not plain text: JSON, or a tool call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from ingest import ProviderError

_ANSWERS = ("answer", "final_answer", "response", "resposta", "resposta_final")
_CITATIONS = ("citations", "sources", "references", "citacoes", "citações", "fontes")
_NUMBERS = ("n", "number", "id", "index", "source_id", "citation")
_NAMES = ("source", "file", "document", "fonte", "title")
_FENCE = re.compile(r"\A```\w*\s*\n(.*?)\n?```\Z", re.DOTALL)
_CALL = re.compile(r"</?tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>")
_MARKER = re.compile(r"\[\s*\d")


def may_be_json(text: str) -> bool:
    """Return whether an incomplete text may be JSON, which should not be shown."""
    start = text.lstrip()
    return start.startswith(("{", "[{", "```json", "<tool_call>")) or (
        bool(start) and any(sign.startswith(start) for sign in ("[{", "```json", "<tool_call>"))
    )


def plain_answer(text: str, message: BaseMessage | None, llm: str) -> str | None:
    """Return the answer in a reply, with ``[n]`` for JSON citations; None if it abstains.

    JSON without a key for the answer is returned as it is: the prompt may have asked for it.

    Raises:
        ProviderError: The model calls a tool instead of answering.
    """
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    if calls and not text.strip():
        called = calls[0]
        if _key(called["args"], _ANSWERS) is None:
            raise _refusal(llm, called["name"])
        return _answer(called["args"])
    found = _json(_CALL.sub("", text).strip())
    if found is None:
        return text
    if "name" in found and (found.keys() & {"arguments", "parameters"}):
        raise _refusal(llm, str(found["name"]))
    return text if _key(found, _ANSWERS) is None else _answer(found)


def _refusal(llm: str, tool: str) -> ProviderError:
    return ProviderError(
        f"{llm} calls a tool ('{' '.join(tool.split())[:60]}') instead of answering, and has none "
        "here: choose another model or prompt template"
    )


def _json(text: str) -> dict[str, Any] | None:
    """Return the JSON object in a text, which may be in a code fence or a list of one."""
    fenced = _FENCE.match(text)
    bare = fenced[1].strip() if fenced else text
    if not bare.startswith(("{", "[")):
        return None
    try:
        value = json.loads(bare)
    except ValueError:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _key(found: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((key for key in found if key.casefold() in names), None)


def _answer(found: Mapping[str, Any]) -> str | None:
    value = found[str(_key(found, _ANSWERS))]
    lines = value if isinstance(value, list) else [value]
    text = "\n".join(str(line).strip() for line in lines if line is not None).strip()
    if not text or isinstance(value, bool):
        return None
    cited = _key(found, _CITATIONS)
    if cited is None or _MARKER.search(text):
        return text
    markers = "".join(f"[{one}]" for one in dict.fromkeys(_cited(found[cited])))
    return f"{text} {markers}".rstrip()


def _cited(value: Any) -> Iterator[str]:
    """Yield the numbers, or else the names, in the citations of a JSON answer."""
    if isinstance(value, list):
        for one in value:
            yield from _cited(one)
    elif isinstance(value, dict):
        keys = (_key(value, names) for names in (_NUMBERS, _NAMES))
        yield from _cited(next((value[key] for key in keys if key is not None), None))
    elif value is not None:
        number = re.search(r"\d+", str(value))
        is_number = number and not re.search(r"\.[A-Za-z]\w{1,4}\b", str(value))
        yield number[0] if is_number and number else str(value).strip(" []")
