"""Errors of servers: parse them, classify them, and advise what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# Fields that servers put their message in, in reading order.
_WORDS = ("message", "msg", "detail", "error", "errors", "description", "reason", "metadata", "raw")

_FILTER = re.compile(
    r"content[ _-]?(?:management[ _-]polic|filter|polic)|ResponsibleAI|safety system|moderation",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum context|prompt is too long|input is too long|"
    r"too many (?:input )?tokens|reduce the length|inputs? tokens? .{0,40}exceed",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"insufficient[ _](?:quota|credit|balance|fund)|credit balance|no credits?\b|out of credits?|"
    r"billing|payment required|exceeded your current quota|add (?:more )?credits",
    re.IGNORECASE,
)
_LATER = re.compile(r"(?:try again|retry) (?:in|after)|per (?:second|minute|day)", re.IGNORECASE)
_LOADING = re.compile(r"\bload(?:ing|ed)\b|warming up|starting up|cold start", re.IGNORECASE)
_OVERLOADED = re.compile(r"overload|capacity|too busy|high demand", re.IGNORECASE)
_MODEL = re.compile(r"\b(?:model|deployment|engine)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error response of a server.

    Attributes:
        status: The HTTP status, or the one in the body; None without either.
        words: The message, as one string; may be empty.
        code: The error code in the body, such as ``insufficient_quota``.
        places: Invalid fields that the body names, such as ``temperature`` or
            ``body.messages.0.role``.
        sent: The body of the request.
    """

    status: int | None
    words: str
    code: str = ""
    places: tuple[str, ...] = ()
    sent: Mapping[str, Any] | None = None


def read_error(error: Exception) -> ServerError:
    """Return the server's error in an exception of any HTTP client."""
    response = _part(error, "response")
    status = _part(error, "status_code") or _part(response, "status_code")
    body = _part(error, "body")
    if body is None and response is not None:
        body = _parsed(_part(response, "text") or "")
    found = read_body(body, status if isinstance(status, int) else None)
    words = found.words or ("" if response is not None else str(error))
    return ServerError(found.status, words, found.code, found.places, _sent(error))


def read_body(body: Any, status: int | None = None) -> ServerError:
    """Return the error in the body of a response: JSON of any shape, or text."""
    first = body[0] if isinstance(body, list) and body else body
    inner = first.get("error", first) if isinstance(first, dict) else first
    fields = inner if isinstance(inner, dict) else {}
    codes = [str(fields.get(name) or "") for name in ("code", "type")]
    told = [int(code) for code in codes if code.isdigit() and 400 <= int(code) < 600]
    return ServerError(
        status=status or next(iter(told), None),
        words=" ".join(" ".join(_words(body)).split()),
        code=" ".join(code for code in codes if code and not code.isdigit()),
        places=tuple(_places(body)),
    )


def advice(error: ServerError, key: str, address: str) -> str:
    """Return what is wrong and what to do.

    Args:
        error: The error.
        key: Name of the setting with the key.
        address: Name of the setting with the address.
    """
    told = f"{error.code} {error.words}"
    status = f" ({error.status})" if error.status else ""
    for kind, sentence in _kinds(error, told):
        if kind:
            return sentence.format(status=status, key=key, address=address)
    return f"the request was refused{status}: change the settings"


def is_context_overflow(error: ServerError) -> bool:
    """Return whether prompt and answer exceed the model's context window."""
    return bool(_CONTEXT.search(f"{error.code} {error.words}"))


def _kinds(error: ServerError, told: str) -> Iterator[tuple[bool, str]]:
    """Yield, for each kind of error, whether it applies and its sentence; the first one counts."""
    status = error.status
    refused = status is None or status < 500
    yield (
        error.code == "refusal",
        "the model refused to answer: ask in other words, or ask another model",
    )
    yield (
        refused and bool(_FILTER.search(told)),
        "a content filter stepped in{status}: ask in other words, or ask another model",
    )
    yield (
        status in (400, 422, 500, None) and is_context_overflow(error),
        "the prompt is too long{status}: ask with a smaller top_k",
    )
    yield (
        status == 402
        or (status in (400, 403, 429) and bool(_CREDIT.search(told)) and not _LATER.search(told)),
        "no credit is left{status}: add credit to the account of the key, or ask another model",
    )
    yield status in (401, 403), "the key was refused{status}: set another {key}"
    yield (
        status == 404 and bool(_MODEL.search(told)),
        "the model is unknown{status}: check its name and {address}",
    )
    yield status in (404, 405), "there is no chat at this address{status}: check {address}"
    yield status == 407, "the proxy refused{status}: set its name and password in its address"
    yield status == 413, "the request is too large{status}: ask with a smaller top_k"
    yield status == 429, "too many requests{status}: wait and ask again"
    failed = status is not None and status >= 500
    yield (
        failed and bool(_LOADING.search(error.words)) and not _OVERLOADED.search(told),
        "the server is still loading the model{status}: ask again in a minute",
    )
    yield (
        status == 529 or (failed and bool(_OVERLOADED.search(told))),
        "the server is overloaded{status}: ask again later",
    )
    yield failed, "the server failed{status}: ask again later"
    yield status is None, "the server reported an error: ask again"


def _words(value: Any) -> Iterator[str]:
    match value:
        case str() if not value.lstrip().startswith("<"):
            yield value
        case list():
            for item in value:
                yield from _words(item)
        case dict():
            yield from ([f"{_place(value['loc'])}:"] if value.get("loc") else [])
            for name in _WORDS:
                yield from _words(value.get(name))


def _places(value: Any) -> Iterator[str]:
    match value:
        case list():
            for item in value:
                yield from _places(item)
        case dict():
            for name in ("param", "loc"):
                if (place := value.get(name)) and place != "None":
                    yield _place(place)
            for name in _WORDS:
                yield from _places(value.get(name))


def _place(value: Any) -> str:
    return ".".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _sent(error: Exception) -> Mapping[str, Any] | None:
    sent = _parsed(_part(_part(error, "request"), "content") or b"")
    return sent if isinstance(sent, dict) else None


def _part(whole: object, name: str) -> Any:
    with suppress(Exception):  # httpx raises for an unread body and for an unknown request
        return getattr(whole, name)
    return None


def _parsed(text: str | bytes) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    return text
