"""How servers of different makes refuse a parameter, as a table of rules that a server follows."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from faults import Fault, faulty_server, finished, send_json

Body = dict[str, Any]
SYSTEM = "Answer from the context alone."
QUESTION = "Which river runs through Ulm?"
STOP = ["\n\n\n"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A server refuses what ``sees`` is true of, with a status and a body."""

    sees: Callable[[Body], bool]
    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Dialect:
    """A make of server.

    Attributes:
        name: What it is like.
        rules: What it refuses.
        accepted: Makes of a request what it accepts in the end.
        refusals: What is said of it afterwards, where it streams and where it does not.
        model: The name of the model that is asked.
    """

    name: str
    rules: tuple[Rule, ...]
    accepted: Callable[[Body], Body]
    streaming: tuple[str, ...]
    whole: tuple[str, ...]
    model: str = "some-model"


@dataclass(slots=True)
class Heard:
    """What a server was sent: heads, bodies, and how many of them it refused."""

    heads: list[str] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    refused: int = 0


@contextmanager
def dialect_server(rules: tuple[Rule, ...], then: Fault = finished) -> Iterator[tuple[str, Heard]]:
    """Yield the base URL of a server that refuses by the rules, and else does as ``then``."""
    heard = Heard()

    def answer(connection: socket.socket, request: str) -> None:
        head, _, text = request.rpartition("\n")
        body = json.loads(text)
        heard.heads.append(head)
        heard.bodies.append(body)
        for rule in rules:
            if rule.sees(body):
                heard.refused += 1
                return send_json(connection, rule.body, rule.status)
        return then(connection, request)

    with faulty_server(answer) as base_url:
        yield base_url, heard


def _has(name: str) -> Callable[[Body], bool]:
    return lambda body: name in body


def _streams(body: Body) -> bool:
    return body.get("stream") is True


def _role(role: str) -> Callable[[Body], bool]:
    return lambda body: any(message["role"] == role for message in body["messages"])


def _openai(message: str, param: str | None, code: str | None) -> Body:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {"error": error}


def _detail(*names: str) -> list[Body]:
    return [
        {
            "type": "extra_forbidden",
            "loc": ["body", name],
            "msg": "Extra inputs are not permitted",
            "input": 7,
        }
        for name in names
    ]


def _without(*names: str) -> Callable[[Body], Body]:
    return lambda body: {name: value for name, value in body.items() if name not in names}


def _unstreamed(body: Body) -> Body:
    """An answer that we have to cut at stop strings ourselves is asked for in one piece."""
    return _without("stream_options")(body) | {"stream": False}


def _max_tokens(body: Body) -> Body:
    others = {name: value for name, value in body.items() if name != "max_completion_tokens"}
    return others | {"max_tokens": body["max_completion_tokens"]}


def _one_message(body: Body) -> Body:
    return body | {"messages": [{"role": "user", "content": f"{SYSTEM}\n\n{QUESTION}"}]}


def _system(body: Body) -> Body:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    return body | {"messages": messages}


_TEMPERATURE = "refuses temperature: left out"
_OPTIONS = "refuses stream_options: left out"
_LIMIT = "refuses max_completion_tokens: sent as max_tokens"
_STREAM = "refuses stream: answers come in one piece"
_ROLE = "refuses the system role: its text goes before the question"

DIALECTS = [
    Dialect(
        "o-series",
        (
            Rule(
                _has("temperature"),
                400,
                _openai(
                    "Unsupported value: 'temperature' does not support 0.0 with this model. "
                    "Only the default (1) value is supported.",
                    "temperature",
                    "unsupported_value",
                ),
            ),
        ),
        _without("temperature"),
        (_TEMPERATURE,),
        (_TEMPERATURE,),
        model="o4-mini",
    ),
    Dialect(
        "first o-series",
        (
            Rule(
                _role("developer"),
                400,
                _openai(
                    "Unsupported value: 'messages[0].role' does not support 'developer' with this "
                    "model.",
                    "messages[0].role",
                    "unsupported_value",
                ),
            ),
            Rule(
                _role("system"),
                400,
                _openai(
                    "Unsupported value: 'messages[0].role' does not support 'system' with this "
                    "model.",
                    "messages[0].role",
                    "unsupported_value",
                ),
            ),
            Rule(
                _has("temperature"),
                400,
                _openai(
                    "Unsupported parameter: 'temperature' is not supported with this model.",
                    "temperature",
                    "unsupported_parameter",
                ),
            ),
            Rule(
                _has("stop"),
                400,
                _openai(
                    "Unsupported parameter: 'stop' is not supported with this model.",
                    "stop",
                    "unsupported_parameter",
                ),
            ),
        ),
        lambda body: _one_message(_unstreamed(_without("temperature", "stop")(body))),
        (
            _TEMPERATURE,
            "refuses stop: left out",
            "refuses the developer role: its text goes before the question",
            _ROLE,
        ),
        (
            _TEMPERATURE,
            "refuses stop: left out",
            "refuses the developer role: its text goes before the question",
            _ROLE,
        ),
        model="o1-preview",
    ),
    Dialect(
        "verified to stream",
        (
            Rule(
                _streams,
                400,
                _openai(
                    "Your organization must be verified to stream this model. Please go to the "
                    "settings and click on Verify Organization.",
                    "stream",
                    "unsupported_value",
                ),
            ),
        ),
        lambda body: _without("stream", "stream_options")(body) if body["stream"] else body,
        (_STREAM,),
        (),
    ),
    Dialect(
        "Mistral",
        (
            Rule(
                lambda body: bool({"max_completion_tokens", "stream_options"} & {*body}),
                422,
                {
                    "object": "error",
                    "message": {"detail": _detail("max_completion_tokens", "stream_options")},
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                },
            ),
        ),
        lambda body: _max_tokens(_without("stream_options")(body)),
        (_LIMIT, _OPTIONS),
        (_LIMIT,),
    ),
    Dialect(
        "FastAPI",
        (Rule(_has("temperature"), 422, {"detail": _detail("temperature")}),),
        _without("temperature"),
        (_TEMPERATURE,),
        (_TEMPERATURE,),
    ),
    Dialect(
        "Groq",
        (
            Rule(
                _has("stream_options"),
                400,
                {
                    "error": {
                        "message": "property 'stream_options' is unsupported, did you mean 'stop'?",
                        "type": "invalid_request_error",
                    }
                },
            ),
            Rule(
                _has("stop"),
                400,
                {"error": {"message": "property 'stop' is unsupported", "type": "invalid"}},
            ),
        ),
        lambda body: _unstreamed(_without("stop")(body)),
        (_OPTIONS, "refuses stop: left out"),
        ("refuses stop: left out",),
    ),
    Dialect(
        "vLLM",
        (
            Rule(
                _has("max_completion_tokens"),
                400,
                {
                    "object": "error",
                    "message": "[{'type': 'extra_forbidden', 'loc': ('body', "
                    "'max_completion_tokens'), 'msg': 'Extra inputs are not permitted'}]",
                    "type": "BadRequestError",
                    "param": None,
                    "code": 400,
                },
            ),
            Rule(
                _role("system"),
                400,
                {
                    "object": "error",
                    "message": "System role not supported",
                    "type": "BadRequestError",
                    "param": None,
                    "code": 400,
                },
            ),
        ),
        lambda body: _one_message(_max_tokens(body)),
        (_LIMIT, _ROLE),
        (_LIMIT, _ROLE),
    ),
    Dialect(
        "llama.cpp",
        (
            Rule(
                _role("system"),
                500,
                {
                    "error": {
                        "code": 500,
                        "message": "Conversation roles must alternate user/assistant/user/...",
                        "type": "server_error",
                    }
                },
            ),
        ),
        _one_message,
        (_ROLE,),
        (_ROLE,),
    ),
    Dialect(
        "TGI",
        (
            Rule(
                _has("max_completion_tokens"),
                422,
                "Failed to deserialize the JSON body into the target type: unknown field "
                "`max_completion_tokens`, expected one of `messages`, `model`, `temperature`, "
                "`stop`, `stream`, `max_tokens` at line 1 column 9",
            ),
            Rule(
                lambda body: body.get("temperature") == 0,
                422,
                {
                    "error": "Input validation error: `temperature` must be strictly positive",
                    "error_type": "validation",
                },
            ),
        ),
        lambda body: _max_tokens(_without("temperature")(body)),
        (_TEMPERATURE, _LIMIT),
        (_TEMPERATURE, _LIMIT),
    ),
    Dialect(
        "an early Azure",
        (
            Rule(
                _has("max_completion_tokens"),
                400,
                _openai(
                    "Unrecognized request argument supplied: max_completion_tokens", None, None
                ),
            ),
            Rule(
                _role("developer"),
                400,
                _openai(
                    "'developer' is not one of ['system', 'assistant', 'user', 'function'] - "
                    "'messages.0.role'",
                    None,
                    None,
                ),
            ),
        ),
        lambda body: _system(_max_tokens(body)),
        (_LIMIT, "refuses the developer role: sent as system"),
        (_LIMIT, "refuses the developer role: sent as system"),
        model="o3",
    ),
    Dialect(
        "neither name of the limit",
        (
            Rule(
                lambda body: bool({"max_completion_tokens", "max_tokens"} & {*body}),
                400,
                {"error": {"message": "Unknown fields: max_completion_tokens, max_tokens"}},
            ),
        ),
        _without("max_completion_tokens"),
        ("refuses max_completion_tokens: left out", "refuses max_tokens: left out"),
        ("refuses max_completion_tokens: left out", "refuses max_tokens: left out"),
    ),
    Dialect(
        "LiteLLM",
        (
            Rule(
                _has("temperature"),
                400,
                {
                    "error": {
                        "message": "litellm.UnsupportedParamsError: xai does not support "
                        "parameters: ['temperature'], for model=m. To drop these, set "
                        "`litellm.drop_params=True`.",
                        "type": "None",
                        "param": "None",
                        "code": "400",
                    }
                },
            ),
        ),
        _without("temperature"),
        (_TEMPERATURE,),
        (_TEMPERATURE,),
    ),
    Dialect(
        "OpenRouter",
        (
            Rule(
                _has("temperature"),
                400,
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 400,
                        "metadata": {
                            "raw": '{"message": "`temperature` is deprecated for this model."}'
                        },
                    }
                },
            ),
        ),
        _without("temperature"),
        (_TEMPERATURE,),
        (_TEMPERATURE,),
    ),
    Dialect(
        "Google",
        (
            Rule(
                _has("stream_options"),
                400,
                [
                    {
                        "error": {
                            "code": 400,
                            "message": "Invalid JSON payload received. Unknown name "
                            '"stream_options": Cannot find field.',
                            "status": "INVALID_ARGUMENT",
                        }
                    }
                ],
            ),
        ),
        _without("stream_options"),
        (_OPTIONS,),
        (),
    ),
]

# Refusals that no request without an optional parameter gets around.
FINAL = [
    (400, _openai("Invalid 'messages[1].content': too many lines.", "messages[1].content", None)),
    (400, _openai("Unsupported value: 'modalities' is not for this model.", "modalities", None)),
    (400, _openai("max_tokens is too large: 16. At most 8 are supported.", "max_tokens", None)),
    (400, _openai("The model does not exist.", "model", "model_not_found")),
    (422, {"detail": _detail("messages")}),
    (409, _openai("Unsupported parameter: 'temperature'", "temperature", None)),
    (400, {"error": "no"}),
    (400, ""),
]
