"""Optional parameters that a server refuses: which, and how to ask without them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from rag_app.llms.server_errors import ServerError, is_context_overflow, read_error

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_PARAMETERS = ("temperature", *_LIMITS, "stream_options", "stream", "stop")
_ROLES = ("developer", "system")

# Servers that can't say 400, such as llama.cpp where a chat template raises, say 500.
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
# A value that is too large is the user's to change: without it the answer would have no limit.
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
    """Let later questions to the model at the address do without ``names`` at once."""
    with _LOCK:
        _KNOWN[address, model] = _KNOWN.get((address, model), frozenset()).union(names)


def refused_with(error: Exception, refused: frozenset[str]) -> frozenset[str]:
    """Return ``refused`` with what ``error`` refuses as well; raise it if that is nothing."""
    more = refused_parameters(read_error(error)) - refused
    if not more:
        raise error
    return refused | more


def refused_parameters(error: ServerError) -> frozenset[str]:
    """Return the optional parameters that were sent and that the server says it refuses."""
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

    One name of the longest answer takes the other's place before both are left out. The text of a
    refused system message is put before the first question.
    """
    kept = {name: value for name, value in payload.items() if name not in refused}
    for name, other in (_LIMITS[:2], _LIMITS[1::-1]):
        if name in refused and name in payload and not {other} & {*refused, *payload}:
            kept[other] = payload[name]
    if "messages" in payload:
        kept["messages"] = _without_roles(payload["messages"], refused)
    return kept


def without_system(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with the text of the system messages before the first question."""
    told = [message.content for message in messages if message.type == "system"]
    others = [message for message in messages if message.type != "system"]
    first = next((n for n, message in enumerate(others) if message.type == "human"), 0)
    question = [message.content for message in others[first : first + 1]]
    whole = HumanMessage(_joined([*told, *question]))
    return [*others[:first], whole, *others[first + 1 :]] if told else others


def needs_whole(refused: frozenset[str], stop: Sequence[str] | None) -> bool:
    """Return whether an answer can't be streamed: it is refused, or has to be cut here."""
    return "stream" in refused or ("stop" in refused and bool(stop))


def cut(message: BaseMessage, stop: Sequence[str]) -> None:
    """End the message's text where the first of ``stop`` stands in it."""
    text = str(message.text)
    if ends := [at for string in stop if (at := text.find(string)) >= 0]:
        message.content = text[: min(ends)]


def explain_refusals(refused: Iterable[str], *, exchanged: bool = True) -> list[str]:
    """Return one phrase for each refused parameter: what is done instead.

    ``exchanged`` tells whether one name of the longest answer takes the other's place.
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
    """Return what the server's fields name; None if only its words can tell."""
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
    """Yield the parameter that is named first; what else is named may be what is allowed."""
    refused = bool(_REFUSING_CODE.search(error.code))
    for sentence in re.split(r"(?<=[.!?;])\s+", error.words):
        if not (refused or _REFUSES.search(sentence)):
            continue
        found = [(at.start(), name) for name in sent if (at := _PATTERNS[name].search(sentence))]
        if found:
            yield min(found)[1]
            return


def _without_roles(messages: list[dict[str, Any]], refused: frozenset[str]) -> list[dict[str, Any]]:
    if "system" not in refused:
        renamed = {"developer": "system"} if "developer" in refused else {}
        return [
            message | {"role": renamed.get(message["role"], message["role"])}
            for message in messages
        ]
    told = [message["content"] for message in messages if message["role"] in _ROLES]
    others = [message for message in messages if message["role"] not in _ROLES]
    first = next((n for n, message in enumerate(others) if message["role"] == "user"), None)
    if not told:
        return others
    if first is None:
        return [{"role": "user", "content": _joined(told)}, *others]
    question = others[first] | {"content": _joined([*told, others[first]["content"]])}
    return [*others[:first], question, *others[first + 1 :]]


def _joined(contents: list[Any]) -> Any:
    """Return texts with an empty line between them; lists of parts as one list."""
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(content for content in contents if content)
    parts: list[Any] = []
    for content in contents:
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return parts
