"""How answers end, what servers put beside the text, and what their errors say."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from faults import Fault, ending, event, faulty_server, send_json, status
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from pydantic import SecretStr

from ingest import ProviderError, UsageError
from rag_app import RagApp
from rag_app.llms import chat_model, llm_address
from rag_app.settings import Settings

pytest.importorskip("langchain_openai")

from rag_app.llms.chat_openai import openai_chat_model
from rag_app.llms.connections import Connection

KEY = "sk-test-0123456789abcdefghij"
Call = Callable[[BaseChatModel], Awaitable[AIMessage]]


async def invoke(model: BaseChatModel) -> AIMessage:
    return model.invoke("hello")


async def ainvoke(model: BaseChatModel) -> AIMessage:
    return await model.ainvoke("hello")


async def stream(model: BaseChatModel) -> AIMessage:
    return added(list(model.stream("hello")))


async def astream(model: BaseChatModel) -> AIMessage:
    return added([chunk async for chunk in model.astream("hello")])


def added(chunks: list[AIMessageChunk]) -> AIMessage:
    return reduce(add, chunks)


CALLS = [invoke, ainvoke, stream, astream]
STREAMS = [stream, astream]


def at(base_url: str) -> Any:
    return openai_chat_model(
        "some-model",
        base_url=base_url,
        api_key=SecretStr(KEY),
        max_tokens=16,
        temperature=0.0,
        timeout=300,
    )


def azure_at(base_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", base_url.removesuffix("/v1"))
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01-preview")
    return chat_model("azure_openai:my-deployment", Settings(llm_max_tokens=16, llm_timeout=300))


def at_both(base_url: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    return [at(base_url), azure_at(base_url, monkeypatch)]


NOTHING = b""
WORDS = [{"content": "The Dan"}, {"content": "ube."}]
FILTERED = {"hate": {"filtered": False}, "violence": {"filtered": True, "severity": "medium"}}
DROPPED: dict[str, Any] = {"error": {"code": 502, "message": "Upstream\n hung up."}}
BROKEN = [
    pytest.param(
        ending(WORDS, "content_filter"), "a content filter stepped in: ask in other words", id="cut"
    ),
    pytest.param(
        ending([], "content_filter", content_filter_results=FILTERED),
        "a content filter stepped in: ask in other words, or ask another model; "
        "the server says: violence",
        id="filtered at once",
    ),
    pytest.param(
        ending([{"refusal": "I can't "}, {"refusal": "help with that."}], "stop"),
        "the model refused to answer: ask in other words, or ask another model; "
        "the server says: I can't help with that",
        id="refusal",
    ),
    pytest.param(
        ending(WORDS, "error", **DROPPED),
        "the server failed (502): ask again later; the server says: Upstream hung up",
        id="error in the choice",
    ),
    pytest.param(ending(WORDS, "error"), "the server reported an error", id="error without words"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("fault", "expected"), BROKEN)
async def test_an_answer_that_its_model_did_not_end_is_an_error_in_the_servers_words(
    fault: Fault, expected: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(fault) as base_url:
        for model in at_both(base_url, monkeypatch):
            with pytest.raises(ProviderError) as caught:
                await call(model)
            assert expected in str(caught.value)
            assert "change the settings" not in str(caught.value)


def error_event(value: object) -> bytes:
    return f"data: {json.dumps({'error': value})}\n\n".encode()


IN_STREAM = [
    pytest.param(
        error_event({"message": f"CUDA: out of memory, {KEY}", "code": 500}),
        "the server failed (500): ask again later; the server says: CUDA: out of memory, ***",
        id="object",
    ),
    pytest.param(
        error_event("worker 3 died"),
        "the server reported an error: ask again; the server says: worker 3 died",
        id="text",
    ),
    pytest.param(
        error_event({"message": "Rate limit", "type": "rate_limit", "code": "429"}),
        "too many requests (429): wait and ask again; the server says: Rate limit",
        id="429",
    ),
]


@pytest.mark.parametrize("call", STREAMS)
@pytest.mark.parametrize("words", [WORDS, []], ids=["in the middle", "at once"])
@pytest.mark.parametrize(("last", "expected"), IN_STREAM)
async def test_an_error_within_a_stream_is_told_in_its_words(
    last: bytes,
    expected: str,
    words: list[dict[str, str]],
    call: Call,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with faulty_server(ending(words, None, last)) as base_url, pytest.raises(ProviderError) as told:
        await call(at(base_url))
    assert str(told.value).endswith(expected)
    assert KEY not in "".join(traceback.format_exception(told.value)) + caplog.text


@pytest.mark.parametrize("call", [invoke, ainvoke])
@pytest.mark.parametrize(
    "value",
    [
        {"error": {"code": 502, "message": "no provider left"}},
        {"object": "error", "message": "no provider left", "code": 502},
    ],
)
async def test_an_error_that_comes_as_an_answer_is_one(value: Any, call: Call) -> None:
    with (
        faulty_server(lambda connection, _: send_json(connection, value)) as base_url,
        pytest.raises(ProviderError, match=r"server failed \(502\).* says: no provider left$"),
    ):
        await call(at(base_url))


DONE = b"data: [DONE]\n\n"
ENDS = [
    pytest.param(DONE, id="done"),
    pytest.param(b"data:[DONE]\r\n\r\n", id="without the space"),
    pytest.param(DONE + b": bye\n\n", id="with a comment after it"),
]


@pytest.mark.parametrize("call", STREAMS)
@pytest.mark.parametrize("last", ENDS)
async def test_a_stream_that_says_it_is_done_is_whole(
    last: bytes, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(ending(WORDS, None, last)) as base_url:
        for model in at_both(base_url, monkeypatch):
            assert (await call(model)).text == "The Danube."


@pytest.mark.parametrize("call", STREAMS)
@pytest.mark.parametrize(
    "deltas",
    [
        WORDS,
        [{"content": "data: [DONE]"}],
        [{"content": "\n\ndata: [DONE]\n\n"}],
        [{"reasoning": "Let me think."}],
        [{"content": [{"type": "text", "text": "The Dan"}]}],
    ],
    ids=["words", "says done", "says done on a line", "reasoning", "parts"],
)
async def test_a_stream_that_just_ends_broke_off(
    deltas: list[dict[str, Any]], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(ending(deltas, None, NOTHING)) as base_url:
        for model in at_both(base_url, monkeypatch):
            with pytest.raises(ProviderError, match="broke off in the middle of the answer"):
                await call(model)


def test_done_is_seen_where_it_comes_in_pieces() -> None:
    class Response:
        def __init__(self, parts: list[bytes]) -> None:
            self.parts = parts

        async def aiter_bytes(self) -> Any:
            for part in self.parts:
                yield part

    async def seen(text: bytes, size: int) -> bool:
        connection: Any = Connection(client=None)  # type: ignore[arg-type]
        response: Any = Response([text[at : at + size] for at in range(0, len(text), size)])
        await connection.watch(response)
        assert b"".join([part async for part in response.aiter_bytes()]) == text
        return bool(connection.done)

    for size in (1, 2, 3, 5, 7, 11, 64):
        assert asyncio.run(seen(event({"content": "a"}) + DONE, size))
        assert not asyncio.run(seen(event({"content": "data: [DONE]"}), size))


THOUGHTS = [
    pytest.param([{"reasoning_content": "The river"}, {"reasoning_content": " is"}], id="DeepSeek"),
    pytest.param([{"reasoning": "The river"}, {"reasoning": " is"}], id="OpenRouter"),
    pytest.param(
        [
            {"reasoning": "The river", "reasoning_content": "The river"},
            {"reasoning": " is", "reasoning_content": " is"},
        ],
        id="both names",
    ),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("thoughts", THOUGHTS)
async def test_what_a_model_thought_is_kept_beside_the_text(
    thoughts: list[dict[str, str]], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(ending([*thoughts, *WORDS], "stop")) as base_url:
        for model in at_both(base_url, monkeypatch):
            message = await call(model)
            assert message.text == "The Danube."
            assert message.additional_kwargs["reasoning_content"] == "The river is"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("end", ["stop", "length"])
async def test_reasoning_alone_is_an_answer_without_text(end: str, call: Call) -> None:
    with faulty_server(ending([{"reasoning_content": "Hm."}], end)) as base_url:
        message = await call(at(base_url))
    assert (message.text, message.additional_kwargs["reasoning_content"]) == ("", "Hm.")
    assert message.response_metadata["finish_reason"] == end


@pytest.mark.parametrize("call", CALLS)
async def test_parts_of_an_answer_stay_parts(call: Call) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Ulm lies on it."}]}
    text = {"type": "text", "text": "The Danube."}
    with faulty_server(ending([{"content": [thinking]}, {"content": [text]}], "stop")) as base_url:
        message = await call(at(base_url))
    assert [part for part in message.content if part] == [thinking, text]
    assert message.text == "The Danube."


@pytest.mark.parametrize("call", STREAMS)
async def test_a_choice_without_a_delta_is_no_end(call: Call) -> None:
    """Azure's asynchronous filter reports in such events."""
    note = b'data: {"choices": [{"index": 0, "content_filter_results": {}}]}\n\n'
    bare = b'data: {"choices": [{"index": 0, "delta": null, "finish_reason": "stop"}]}\n\n'
    with faulty_server(ending(WORDS, None, note + bare)) as base_url:
        assert (await call(at(base_url))).text == "The Danube."


TOLD = [
    (402, {"error": {"message": "Pay first"}}, "no credit is left (402): add credit"),
    (
        429,
        {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
        "no credit is left (429): add credit",
    ),
    (400, {"error": {"message": "Your credit balance is too low"}}, "no credit is left (400)"),
    (
        429,
        {"error": {"message": "Exceeded your current quota. Please retry in 31 s."}},
        "too many requests (429): wait and ask again",
    ),
    (413, "<html>Too large</html>", "the request is too large (413): ask with a smaller top_k"),
    (529, {"type": "error", "error": {"message": "Overloaded"}}, "is overloaded (529): ask again"),
    (503, {"error": "Model m is currently loading"}, "still loading the model (503): ask again in"),
    (503, {"error": {"message": "Loading model", "code": 503}}, "still loading the model (503)"),
    (503, {"message": "too busy"}, "the server is overloaded (503): ask again later"),
    (502, "<html>Bad Gateway</html>", "the server failed (502): ask again later"),
    (404, {"detail": "Not Found"}, "there is no chat at this address (404): check RAG_LLM_BASE_UR"),
    (404, "404 page not found", "there is no chat at this address (404)"),
    (404, {"error": 'model "m" not found, try pulling it'}, "the model is unknown (404): check"),
    (
        400,
        {"error": {"message": "Filtered by the content management policy", "code": "x"}},
        "a content filter stepped in (400): ask in other words",
    ),
    (
        400,
        {"error": {"message": "no", "code": "content_filter", "param": "prompt"}},
        "a content filter stepped in (400): ask in other words",
    ),
    (
        400,
        {"error": {"type": "exceed_context_size_error", "message": "8 > 4", "code": 400}},
        "the prompt is too long (400): ask with a smaller top_k; the server says: 8 > 4",
    ),
    (418, {"error": {"message": "I'm a teapot"}}, "was refused (418): change the settings; the se"),
    (422, {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, "the server says: body.n: bad"),
]


@pytest.mark.parametrize(("code", "value", "expected"), TOLD)
async def test_the_advice_fits_the_cause(code: int, value: Any, expected: str) -> None:
    with faulty_server(lambda connection, _: send_json(connection, value, code)) as base_url:
        for call in (invoke, astream):
            with pytest.raises(ProviderError) as caught:
                await call(at(base_url))
            assert expected in str(caught.value)
            assert "<html>" not in str(caught.value)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["llama-3", "some-model-2", "some-mode"], "; it has some-mode, some-model-2"),
        (["b", "a"], "; it has b, a"),
        ([], "says: no such model"),
    ],
)
async def test_an_unknown_model_is_told_with_those_that_there_are(
    names: list[str], expected: str, call: Call
) -> None:
    def server(connection: Any, request: str) -> None:
        if request.startswith("GET /v1/models "):
            data = [{"id": name, "object": "model"} for name in names]
            return send_json(connection, {"object": "list", "data": data})
        return send_json(connection, {"error": {"message": "no such model."}}, 404)

    with faulty_server(server) as base_url, pytest.raises(ProviderError) as caught:
        await call(at(base_url))
    assert "the model is unknown (404): check its name and RAG_LLM_BASE_URL" in str(caught.value)
    assert str(caught.value).endswith(expected)


def test_a_question_that_is_only_thought_about_is_not_answered(sample_index: Path) -> None:
    thoughts = ending([{"reasoning": "Word2vec, word2vec ..."}], "length")
    with faulty_server(thoughts) as base_url:
        app = RagApp(index=sample_index, llm="openai:m", llm_base_url=base_url, cache=False)
        with pytest.raises(ProviderError, match=r"openai:m answered nothing.* more tokens"):
            app.ask("Who published word2vec?")


def test_the_words_of_a_server_are_short_and_no_half_of_a_key_is_left() -> None:
    for length in range(150, 210, 7):
        said = "x" * length + KEY + "y" * 500
        with faulty_server(status(400, said)) as base_url, pytest.raises(ProviderError) as caught:
            at(base_url).invoke("hello")
        words = str(caught.value).partition("the server says: ")[2]
        assert len(words) <= 200
        assert "sk-" not in words


@pytest.mark.parametrize("call", CALLS)
async def test_azure_is_asked_at_its_own_paths_with_its_own_header(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[str] = []

    def azure(connection: Any, request: str) -> None:
        heads.append(request.partition("\n{")[0])
        ending(WORDS, "stop")(connection, request)

    with faulty_server(azure) as base_url:
        model = azure_at(base_url, monkeypatch)
        assert (await call(model)).text == "The Danube."
        address = llm_address("azure_openai:my-deployment", Settings())
        assert address == base_url.removesuffix("/v1")
    line, *headers = heads[0].splitlines()
    path = "/openai/deployments/my-deployment/chat/completions?api-version=2025-01-01-preview"
    assert line == f"POST {path} HTTP/1.1"
    assert f"api-key: {KEY}" in headers
    assert not [header for header in headers if header.lower().startswith("authorization")]


@pytest.mark.parametrize("call", CALLS)
async def test_azure_keeps_its_key_and_names_its_variables(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        faulty_server(status(401, "who? {head}")) as base_url,
        pytest.raises(ProviderError) as caught,
    ):
        await call(azure_at(base_url, monkeypatch))
    assert "key was refused (401): set another AZURE_OPENAI_API_KEY" in str(caught.value)
    assert str(caught.value).startswith("azure_openai:my-deployment at 127.0.0.1:")
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_deployment_is_told_without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def server(connection: Any, request: str) -> None:
        asked.append(request.split()[1].partition("?")[0])
        message = "The API deployment for this resource does not exist."
        send_json(connection, {"error": {"code": "DeploymentNotFound", "message": message}}, 404)

    with faulty_server(server) as base_url, pytest.raises(ProviderError) as caught:
        azure_at(base_url, monkeypatch).invoke("hello")
    assert "model is unknown (404): check its name and AZURE_OPENAI_ENDPOINT" in str(caught.value)
    assert asked == ["/openai/deployments/my-deployment/chat/completions"]


def test_azure_names_the_variables_that_it_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="set AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION in the"):
        chat_model("azure_openai:d", Settings())
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="set OPENAI_API_VERSION in the environment"):
        chat_model("azure_openai:d", Settings())
