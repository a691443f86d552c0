"""Optional parameters that a server refuses: find them, and ask again without them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from rag_app.llms.server_errors import ServerError, is_context_overflow, read_error

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_PARAMETERS = ("temperature", *_LIMITS, "stream_options", "stream", "stop")
_ROLES = ("developer", "system")

# Includes 500: llama.cpp returns it when a chat template raises.
_STATUSES = frozenset({400, 403, 404, 405, 415, 422, 500, 501})
_REFUSES = re.compile(
    r"\bnot (?:\w+ )?(?:support|permit|allow|accept|implement|available|recogni|valid|compatib|"
    r"enabled)|n't (?:support|allow|accept|recogni)|unsupported|unknown|unrecogni[sz]ed|"
    r"unexpected|\bextra\b|forbidden|invalid|illegal|deprecated|removed|no longer|incompatible|"
    r"disabled|disallowed|\bno (?:system|developer|support)|\bmust\b|\bonly\b|\binstead\b|"
    r"is not one of|input should be",
    re.IGNORECASE,
)
_REFUSING_CODE = re.compile(r"unsupported|unknown|unrecognized|extra|not_supported", re.IGNORECASE)
# The user has to lower a limit that is too large: without it the answer would be unlimited.
_TOO_LARGE = re.compile(
    r"too (?:large|high|big|long|small|low)|exceed|at (?:most|least)|less than|greater than|"
    r"larger than|\bmaximum\b|above_max|below_min",
    re.IGNORECASE,
)
_ALTERNATE = r"roles must alternate|only user(?:,| and|/) ?assistant|unexpected message role"
_PATTERNS = {
    **{name: re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE) for name in _PARAMETERS},
    "stream": re.compile(r"(?<!\w)stream(?:ing|ed)?(?!\w)", re.IGNORECASE),
    "developer": re.compile(rf"(?<!\w)developer(?!\w)|{_ALTERNATE}", re.IGNORECASE),
    "system": re.compile(
        rf"(?<!\w)system['\"`]? (?:role|message|prompt|instruction)|['\"`]system['\"`]|"
        rf"role:? ['\"`]?system|(?<!\w)system(?= is not one of)|{_ALTERNATE}",
        re.IGNORECASE,
    ),
}

_LOCK = threading.Lock()
_KNOWN: dict[tuple[str, str], frozenset[str]] = {}


def known_refusals(address: str, model: str) -> frozenset[str]:
    """Return what the model at the address has refused in this process."""
    with _LOCK:
        return _KNOWN.get((address, model), frozenset())


def remember_refusals(address: str, model: str, names: Iterable[str]) -> None:
    """Leave out ``names`` in later requests of this process to the model at the address."""
    with _LOCK:
        _KNOWN[address, model] = _KNOWN.get((address, model), frozenset()).union(names)


def refused_with(error: Exception, refused: frozenset[str]) -> frozenset[str]:
    """Return ``refused`` and what ``error`` refuses.

    Raises:
        Exception: ``error``, if it refuses nothing new.
    """
    more = refused_parameters(read_error(error)) - refused
    if not more:
        raise error
    return refused | more


def refused_parameters(error: ServerError) -> frozenset[str]:
    """Return the optional parameters of the request that the error says are refused."""
    sent = _optional(error.sent or {})
    if error.status not in _STATUSES or not sent or is_context_overflow(error):
        return frozenset()
    named = _named_in_places(error, sent)
    if named is None:
        named = frozenset(_named_in_words(error, sent))
    if _TOO_LARGE.search(f"{error.code} {error.words}"):
        named -= frozenset(_LIMITS)
    return named


def without(payload: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """Return the body of a chat request without what is refused.

    ``max_tokens`` and ``max_completion_tokens`` replace each other before both are left out. A
    refused system message becomes part of the first question.
    """
    kept = {name: value for name, value in payload.items() if name not in refused}
    for name, other in (_LIMITS[:2], _LIMITS[1::-1]):
        if name in refused and name in payload and not {other} & {*refused, *payload}:
            kept[other] = payload[name]
    messages = payload.get("messages")
    if messages and "system" in refused:
        kept["messages"] = without_system(messages)
    elif messages and "developer" in refused:
        kept["messages"] = [
            one | {"role": "system"} if one["role"] == "developer" else one for one in messages
        ]
    return kept


def without_system(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return OpenAI messages with the system text at the start of the first user message.

    If another message comes first, the system text becomes a user message before it.
    """
    system = [message["content"] for message in messages if message["role"] in _ROLES]
    others = [message for message in messages if message["role"] not in _ROLES]
    if not system:
        return others
    first = {"role": "user"}
    if others and others[0]["role"] == "user":
        first = others.pop(0)
        system.append(first["content"])
    return [first | {"content": _joined(system)}, *others]


def needs_whole(refused: frozenset[str], stop: Sequence[str] | None) -> bool:
    """Return whether an answer can't be streamed: it is refused, or stop strings are."""
    return "stream" in refused or ("stop" in refused and bool(stop))


def cut(message: BaseMessage, stop: Sequence[str]) -> None:
    """Cut the message's text, in place, at the first stop string."""
    text = str(message.text)
    if ends := [at for string in stop if (at := text.find(string)) >= 0]:
        message.content = text[: min(ends)]


def explain_refusals(refused: Iterable[str], *, exchanged: bool = True) -> list[str]:
    """Return one phrase for each refused parameter: what is done instead.

    Args:
        refused: The refused parameters.
        exchanged: Whether ``max_tokens`` is sent for ``max_completion_tokens``.
    """
    names = set(refused)
    instead = {
        "stream": "answers come in one piece",
        "system": "its text goes before the question",
        "developer": "its text goes before the question" if "system" in names else "sent as system",
    }
    if exchanged and "max_tokens" not in names:
        instead["max_completion_tokens"] = "sent as max_tokens"
    roles = {"system": "the system role", "developer": "the developer role"}
    order = (*_PARAMETERS, *_ROLES)
    return [
        f"refuses {roles.get(name, name)}: {instead.get(name, 'left out')}"
        for name in order
        if name in names
    ]


def _optional(sent: Mapping[str, Any]) -> frozenset[str]:
    messages = sent.get("messages")
    roles = {message.get("role") for message in messages} if isinstance(messages, list) else set()
    return frozenset({*(set(_PARAMETERS) & {*sent}), *(set(_ROLES) & roles)})


def _named_in_places(error: ServerError, sent: frozenset[str]) -> frozenset[str] | None:
    """Return the parameters named in the error's fields; None to look in its message instead."""
    parts = [set(re.findall(r"[A-Za-z_]+", place)) - {"body"} for place in error.places]
    if named := sent & set().union(*parts):
        return frozenset(named)
    if any("role" in part for part in parts):
        return sent & set(_ROLES)
    told = [part for part in parts if part]
    if told and not any("messages" in part or "model" in part for part in told):
        return frozenset()
    return None


def _named_in_words(error: ServerError, sent: frozenset[str]) -> Iterator[str]:
    """Yield the parameter that the message names first; others may be named as allowed."""
    refused = bool(_REFUSING_CODE.search(error.code))
    for sentence in re.split(r"(?<=[.!?;])\s+", error.words):
        if not (refused or _REFUSES.search(sentence)):
            continue
        found = [(at.start(), name) for name in sent if (at := _PATTERNS[name].search(sentence))]
        if found:
            yield min(found)[1]
            return


def _joined(contents: list[Any]) -> Any:
    """Return strings joined by blank lines, or all parts as one list if any is a list."""
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(content for content in contents if content)
    parts: list[Any] = []
    for content in contents:
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return parts
