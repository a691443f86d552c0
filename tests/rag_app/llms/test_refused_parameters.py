"""Servers that refuse an optional parameter are asked again without it, and from then on so."""

from __future__ import annotations

import json
import logging
import re
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from dialects import (
    DIALECTS,
    FINAL,
    QUESTION,
    STOP,
    SYSTEM,
    Body,
    Dialect,
    Rule,
    dialect_server,
)
from faults import cut
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import SecretStr

from ingest import ProviderError
from rag_app.llms import chat_model
from rag_app.llms.refused_parameters import refused_parameters, without_system
from rag_app.llms.server_errors import read_body, read_error
from rag_app.settings import Settings

pytest.importorskip("langchain_openai")

from langchain_openai import ChatOpenAI

from rag_app.llms.chat_openai import openai_chat_model
from rag_app.llms.langchain_provider import LangChainChatModel

KEY = "sk-test-0123456789abcdefghij"
MESSAGES: list[BaseMessage] = [SystemMessage(SYSTEM), HumanMessage(QUESTION)]
Call = Callable[[BaseChatModel], Awaitable[str]]


async def invoke(model: BaseChatModel) -> str:
    return str(model.invoke(MESSAGES, stop=STOP).text)


async def ainvoke(model: BaseChatModel) -> str:
    return str((await model.ainvoke(MESSAGES, stop=STOP)).text)


async def stream(model: BaseChatModel) -> str:
    return "".join(str(chunk.text) for chunk in model.stream(MESSAGES, stop=STOP))


async def astream(model: BaseChatModel) -> str:
    return "".join([str(chunk.text) async for chunk in model.astream(MESSAGES, stop=STOP)])


CALLS = [invoke, ainvoke, stream, astream]
STREAMING = (stream, astream)


def at(base_url: str, model: str = "some-model") -> Any:
    return openai_chat_model(
        model,
        base_url=base_url,
        api_key=SecretStr(KEY),
        max_tokens=16,
        temperature=0.0,
        timeout=300,
    )


def azure_at(base_url: str, monkeypatch: pytest.MonkeyPatch, model: str = "some-model") -> Any:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", base_url.removesuffix("/v1"))
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01-preview")
    settings = Settings(llm_max_tokens=16, llm_timeout=300)
    return chat_model(f"azure_openai:{model}", settings)


def request_of(call: Call, dialect: Dialect, role: str) -> Body:
    """Return what is asked for at first."""
    messages = [{"role": role, "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    body: Body = {
        "model": dialect.model,
        "messages": messages,
        "max_completion_tokens": 16,
        "temperature": 0.0,
        "stop": STOP,
        "stream": call in STREAMING,
    }
    return body | ({"stream_options": {"include_usage": True}} if call in STREAMING else {})


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_what_is_refused_is_left_out_and_never_sent_again(
    dialect: Dialect,
    call: Call,
    azure: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with dialect_server(dialect.rules) as (base_url, heard):
        make: Any = (lambda: azure_at(base_url, monkeypatch, dialect.model)) if azure else None
        model = make() if azure else at(base_url, dialect.model)
        assert await call(model) == "Paris"
        # Azure's class does not know which models want to hear of developers.
        role = "developer" if dialect.model.startswith("o") and not azure else "system"
        asked = request_of(call, dialect, role)
        assert heard.bodies[0] == asked
        accepted = dialect.accepted(asked)
        assert heard.bodies[-1] == accepted
        assert heard.refused == len(heard.bodies) - 1
        told = dialect.streaming if call in STREAMING else dialect.whole
        expected = [phrase for phrase in told if role == "developer" or "developer" not in phrase]
        assert model.refusals == expected

        again = make() if azure else at(base_url, dialect.model)
        assert await call(again) == "Paris"
        assert heard.bodies[len(heard.bodies) - 1 :] == [accepted]
        assert heard.refused == len(heard.bodies) - 2
    assert KEY not in caplog.text


@pytest.mark.parametrize("call", STREAMING)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_an_answer_that_is_cut_after_a_refusal_is_no_answer(
    dialect: Dialect, call: Call
) -> None:
    with dialect_server(dialect.rules, cut) as (base_url, heard):
        with pytest.raises(ProviderError, match=r"broke off in the middle|can't be read"):
            await call(at(base_url, dialect.model))
        assert heard.refused == len(heard.bodies) - 1 > 0


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body"), FINAL)
async def test_a_refusal_of_anything_else_is_an_error_at_once(
    status: int, body: Any, call: Call
) -> None:
    with dialect_server((Rule(lambda _: True, status, body),)) as (base_url, heard):
        with pytest.raises(ProviderError):
            await call(at(base_url))
        assert len(heard.bodies) == 1


@pytest.mark.parametrize("call", CALLS)
async def test_a_parameter_that_was_not_to_blame_is_sent_again(call: Call) -> None:
    """The server refuses what it names, and then everything: nothing is learnt from that."""
    body = {"error": {"message": "Unsupported parameter: 'temperature'", "param": "temperature"}}
    with dialect_server((Rule(lambda _: True, 400, body),)) as (base_url, heard):
        model = at(base_url)
        for _ in range(2):
            with pytest.raises(ProviderError, match="Unsupported parameter"):
                await call(model)
        assert ["temperature" in sent for sent in heard.bodies] == [True, False] * 2
        assert model.refusals == []


async def test_each_model_of_a_server_is_remembered_for_itself() -> None:
    dialect = next(dialect for dialect in DIALECTS if dialect.name == "FastAPI")
    with dialect_server(dialect.rules) as (base_url, heard):
        assert await invoke(at(base_url, "one")) == await invoke(at(base_url, "two")) == "Paris"
        assert ["temperature" in body for body in heard.bodies] == [True, False] * 2


def test_threads_share_what_was_learnt() -> None:
    dialect = next(dialect for dialect in DIALECTS if dialect.name == "Mistral")
    start = threading.Barrier(4)

    def ask(model: BaseChatModel) -> str:
        start.wait(timeout=300)
        return "".join(str(chunk.text) for chunk in model.stream(MESSAGES))

    with dialect_server(dialect.rules) as (base_url, heard), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, [at(base_url) for _ in range(4)])) == ["Paris"] * 4
        refused = heard.refused
        assert list(pool.map(ask, [at(base_url) for _ in range(4)])) == ["Paris"] * 4
        assert heard.refused == refused


@pytest.mark.parametrize("call", CALLS)
async def test_stop_strings_that_a_server_refuses_still_end_the_answer(call: Call) -> None:
    dialect = next(dialect for dialect in DIALECTS if dialect.name == "Groq")
    with dialect_server(dialect.rules) as (base_url, _):
        model = at(base_url).bind(stop=["ri"])
        asked: Any = {
            invoke: lambda: model.invoke(MESSAGES).text,
            stream: lambda: "".join(chunk.text for chunk in model.stream(MESSAGES)),
        }.get(call)
        if asked:
            assert asked() == "Pa"
        elif call is ainvoke:
            assert (await model.ainvoke(MESSAGES)).text == "Pa"
        else:
            assert "".join([chunk.text async for chunk in model.astream(MESSAGES)]) == "Pa"


@pytest.mark.parametrize("call", CALLS)
async def test_an_answer_in_one_piece_brings_its_usage(call: Call) -> None:
    """A server that does not stream still tells why the answer ended."""
    dialect = next(dialect for dialect in DIALECTS if dialect.name == "verified to stream")
    with dialect_server(dialect.rules) as (base_url, _):
        chunks = list(at(base_url).stream(MESSAGES))
    assert [chunk.text for chunk in chunks if chunk.text] == ["Paris"]
    assert chunks[0].response_metadata["finish_reason"] == "stop"


SENT: Body = {
    "model": "m",
    "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
    "max_tokens": 16,
    "temperature": 0,
    "stop": STOP,
    "stream": True,
    "stream_options": {"include_usage": True},
}
PHRASES = [
    "Unsupported parameter: '{}' is not supported with this model.",
    "Unrecognized request argument supplied: {}",
    "unknown field `{}`, expected one of `model`, `messages`, `temperature`, `stop`, `stream`",
    "1 validation error for Request {} Extra inputs are not permitted [type=extra_forbidden]",
    "property '{}' is unsupported",
    'json: unknown field "{}"',
    "{}: Unknown parameter. Allowed are model, messages, temperature.",
    "Got an unexpected keyword argument '{}'",
    "The parameter {} can't be used: it is not allowed here.",
    "This model doesn't support {}.",
    "`{}` is deprecated for this model",
    "[{}] is not a valid parameter",
    "Argument not supported on this model: {}",
]
ROLE_PHRASES = [
    "System role not supported",
    "This model does not support system messages",
    "Only user and assistant roles are supported!",
    "Conversation roles must alternate user/assistant/user/assistant/...",
    "Invalid role: 'system'",
    "messages[0].role: unknown variant `system`, expected `user` or `assistant`",
    "role 'system' is not supported",
    "Developer instruction is not enabled; the system prompt is not allowed for models/gemma",
    "'system' is not one of ['user', 'assistant'] - 'messages.0.role'",
]


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("name", ["temperature", "max_tokens", "stop", "stream", "stream_options"])
def test_a_parameter_that_is_named_in_words_is_refused(name: str, phrase: str) -> None:
    error = read_body({"error": {"message": phrase.format(name)}}, 400)
    assert refused_parameters(replace(error, sent=SENT)) == {name}
    unsent = {key: value for key, value in SENT.items() if key != name}
    assert name not in refused_parameters(replace(error, sent=unsent))


@pytest.mark.parametrize("phrase", ROLE_PHRASES)
def test_a_system_message_that_is_refused_in_words_is_one(phrase: str) -> None:
    error = read_body({"error": {"message": phrase}}, 400)
    assert refused_parameters(replace(error, sent=SENT)) == {"system"}
    question = SENT | {"messages": SENT["messages"][1:]}
    assert refused_parameters(replace(error, sent=question)) == set()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Unsupported parameter: 'temperature'"),
        (429, "Unsupported parameter: 'temperature'"),
        (503, "the upstream is not available"),
        (400, "The question about temperature is long."),
        (400, "This model's maximum context length is 8 tokens; max_tokens must be lower."),
        (400, "max_tokens is too large: 16"),
        (400, "max_tokens must be less than or equal to 8"),
        (400, "The system is not available"),
        (400, "unknown field `top_logprobs`"),
        (400, "maximum_temperature is not supported"),
    ],
)
def test_words_that_refuse_nothing_optional_are_no_refusal(status: int, words: str) -> None:
    error = read_body({"error": {"message": words}}, status)
    assert refused_parameters(replace(error, sent=SENT)) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("s:Be brief. u:Which gate?", "u:Be brief.|Which gate?"),
        ("s:Be brief. u:Hi a:Ho u:Which?", "u:Be brief.|Hi a:Ho u:Which?"),
        ("d:Be brief. s:Quote. u:Which?", "u:Be brief.|Quote.|Which?"),
        ("s:Be brief. a:Ho u:Which?", "u:Be brief. a:Ho u:Which?"),
        ("s:Be brief.", "u:Be brief."),
        ("u:Which gate?", "u:Which gate?"),
    ],
)
def test_a_refused_system_text_starts_the_first_user_message(before: str, after: str) -> None:
    names = {"s": "system", "d": "developer", "u": "user", "a": "assistant"}

    def messages(script: str) -> list[dict[str, str]]:
        parts = re.split(r" (?=[sdua]:)", script)
        return [
            {"role": names[part[0]], "content": part[2:].replace("|", "\n\n")} for part in parts
        ]

    assert without_system(messages(before)) == messages(after)


def test_a_refused_system_text_of_parts_keeps_the_parts_of_the_question() -> None:
    parts = [{"type": "text", "text": "Which gate?"}]
    given = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    (message,) = without_system(given)
    assert message == {"role": "user", "content": [{"type": "text", "text": "Be brief."}, *parts]}
    assert given[1]["content"] == [{"type": "text", "text": "Which gate?"}]


def test_errors_of_httpx_are_read_as_far_as_they_were() -> None:
    request = httpx.Request("POST", "http://models.example/v1", json=SENT)
    body = json.dumps({"message": {"detail": [{"loc": ["body", "stop"], "msg": "extra"}]}}).encode()
    read = httpx.Response(422, request=request, content=body)
    unread = httpx.Response(422, request=request, content=iter([body]))
    names = []
    for response in (read, unread):
        error = read_error(httpx.HTTPStatusError("no", request=request, response=response))
        assert (error.status, error.sent) == (422, SENT)
        names.append(refused_parameters(error))
    assert names == [{"stop"}, set()]


# Of these, an integration of LangChain can leave out all that the server refuses.
INTEGRATED = ["FastAPI", "LiteLLM", "OpenRouter", "verified to stream", "llama.cpp", "Google"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", INTEGRATED)
async def test_another_provider_is_asked_again_too(name: str, call: Call) -> None:
    dialect = next(dialect for dialect in DIALECTS if dialect.name == name)
    with dialect_server(dialect.rules) as (base_url, heard):
        inner = ChatOpenAI(
            model=dialect.model,
            base_url=base_url,
            api_key=SecretStr(KEY),
            temperature=0.0,
            max_tokens=16,  # type: ignore[call-arg]
            stream_usage=True,
        )
        model = LangChainChatModel(name=f"other:{name} {call.__name__}", inner=inner, max_tokens=16)
        assert await call(model) == "Paris"
        told = dialect.streaming if call in STREAMING else dialect.whole
        assert model.refusals == list(told)
        assert heard.refused == len(told)
        assert await call(model) == "Paris"
        assert heard.refused == len(told)


@pytest.mark.parametrize("call", CALLS)
async def test_an_error_after_a_refusal_keeps_the_key(call: Call) -> None:
    temperature = next(dialect for dialect in DIALECTS if dialect.name == "FastAPI").rules[0]
    rules = (temperature, Rule(lambda _: True, 401, {"error": f"who is {KEY}?\nnobody"}))
    with dialect_server(rules) as (base_url, _), pytest.raises(ProviderError) as caught:
        await call(at(base_url))
    assert str(caught.value).endswith(
        "the key was refused (401): set another OPENAI_API_KEY; the server says: who is ***? nobody"
    )
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_the_answers_of_a_conversation_stay_where_they_are() -> None:
    dialect = next(dialect for dialect in DIALECTS if dialect.name == "llama.cpp")
    with dialect_server(dialect.rules) as (base_url, heard):
        at(base_url).invoke([*MESSAGES, AIMessage("The Danube."), HumanMessage("And Bonn?")])
    assert [(sent["role"], sent["content"]) for sent in heard.bodies[-1]["messages"]] == [
        ("user", f"{SYSTEM}\n\n{QUESTION}"),
        ("assistant", "The Danube."),
        ("user", "And Bonn?"),
    ]
