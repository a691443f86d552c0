from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from faults import (
    Fault,
    cut,
    drip,
    drip_head,
    drip_tokens,
    empty,
    faulty_server,
    finished,
    garbage,
    gone,
    hang,
    nonsense,
    status,
    torn,
)
from langchain_core.globals import set_debug
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import SecretStr

from ingest import ProviderError

pytest.importorskip("langchain_openai")

from rag_app.llms.chat_openai import OpenAIChatModel, openai_chat_model


class TestStandardUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[OpenAIChatModel]:
        return OpenAIChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "api_key": "test"}


@pytest.mark.slow
class TestStandardIntegration(ChatModelIntegrationTests):
    """LangChain's own suite against a real server; the model is too small to call tools."""

    has_tool_calling = False
    has_tool_choice = False
    has_structured_output = False
    supports_model_override = False

    @pytest.fixture(autouse=True)
    def _server(self, openai_server: str, smollm2_folder: Path) -> None:
        self.params = {"base_url": openai_server, "model": str(smollm2_folder)}

    @property
    def chat_model_class(self) -> type[OpenAIChatModel]:
        return OpenAIChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.params, "api_key": "test", "stream_usage": True, "timeout": 600}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 12, "max_retries": 0}


KEY = "sk-test-0123456789abcdefghij"
DEADLINE = 1.0


def model_at(base_url: str, timeout: float = 300.0) -> OpenAIChatModel:
    return openai_chat_model(
        "some-model",
        base_url=base_url,
        api_key=SecretStr(KEY),
        max_tokens=16,
        temperature=0.0,
        timeout=timeout,
    )


def invoke(model: OpenAIChatModel, question: str = "What is the capital of France?") -> None:
    model.invoke(question)


def stream(model: OpenAIChatModel, question: str = "What is the capital of France?") -> None:
    for _ in model.stream(question):
        pass


async def drain(chunks: AsyncIterator[AIMessageChunk]) -> None:
    async for _ in chunks:
        pass


REFUSALS = [
    pytest.param(status(401, "bad key: {head}"), "key was refused (401)", id="401"),
    pytest.param(status(403, "{head}"), "key was refused (403)", id="403"),
    pytest.param(status(404, "{head}"), "model is unknown (404)", id="404"),
    pytest.param(status(429, "{head}"), "too many requests", id="429"),
    pytest.param(status(500, "{head}"), "server failed (500)", id="500"),
    pytest.param(
        status(400, "maximum context length is 10 tokens: {head}", "context_length_exceeded"),
        "ask with a smaller top_k",
        id="400-context",
    ),
    pytest.param(status(400, f"no {KEY} here"), "no *** here", id="400-echo"),
    pytest.param(torn, "some-model", id="torn"),
    pytest.param(nonsense, "can't be read", id="nonsense"),
    pytest.param(empty, "can't be read", id="empty"),
    pytest.param(garbage, "the connection failed", id="garbage"),
    pytest.param(gone, "the connection failed", id="gone"),
]
SLOW = [
    pytest.param(hang, id="hang"),
    pytest.param(drip, id="drip"),
    pytest.param(drip_head, id="drip-head"),
    pytest.param(drip_tokens, id="drip-tokens"),
]


@pytest.mark.parametrize("call", [invoke, stream])
@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_a_refusal_is_one_sentence_without_the_key(
    fault: Fault, expected: str, call: Callable[[OpenAIChatModel], None]
) -> None:
    with faulty_server(fault) as base_url, pytest.raises(ProviderError) as caught:
        call(model_at(base_url))
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("call", [invoke, stream])
@pytest.mark.parametrize("fault", SLOW)
def test_the_deadline_holds_whatever_the_server_sends(
    fault: Fault, call: Callable[[OpenAIChatModel], None]
) -> None:
    with faulty_server(fault) as base_url:
        model = model_at(base_url, timeout=DEADLINE)
        with pytest.raises(ProviderError, match="did not finish within 1 s"):
            call(model)
        wait_for_no_thread()


@pytest.mark.parametrize("fault", SLOW)
async def test_the_deadline_holds_for_async_too(fault: Fault) -> None:
    with faulty_server(fault) as base_url:
        model = model_at(base_url, timeout=DEADLINE)
        with pytest.raises(ProviderError, match="did not finish within 1 s"):
            await drain(model.astream("hello"))


async def test_a_cut_stream_is_an_error() -> None:
    with faulty_server(cut) as base_url:
        model = model_at(base_url)
        chunks = model.stream("hello")
        assert [next(chunks).text, next(chunks).text] == ["The capital", " of"]
        with pytest.raises(ProviderError, match="broke off in the middle"):
            next(chunks)
        with pytest.raises(ProviderError, match="broke off in the middle"):
            await drain(model.astream("hello"))


async def test_an_async_refusal_keeps_the_key() -> None:
    with (
        faulty_server(status(401, "{head}")) as base_url,
        pytest.raises(ProviderError, match="key was refused") as caught,
    ):
        await model_at(base_url).ainvoke("hello")
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_no_server_is_a_sentence_with_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ProviderError, match=f"127.0.0.1:{port}: the connection failed"):
        invoke(model_at(f"http://127.0.0.1:{port}/v1"))


def test_a_busy_server_is_asked_again() -> None:
    requests: list[str] = []

    def busy_then_ready(connection: socket.socket, request: str) -> None:
        requests.append(request)
        if len(requests) < 3:
            return status(503, retry=True)(connection, request)
        return finished(connection, request)

    with faulty_server(busy_then_ready) as base_url:
        answer = "".join(chunk.text for chunk in model_at(base_url).stream("hello"))
    assert answer == "Paris"
    assert len(requests) == 3


def test_the_request_says_what_the_settings_say() -> None:
    requests: list[str] = []

    def record(connection: socket.socket, request: str) -> None:
        requests.append(request)
        finished(connection, request)

    with faulty_server(record) as base_url:
        list(model_at(base_url).stream("hello", stop=["."]))
    payload = json.loads(requests[0].rpartition("\n")[2])
    assert payload["model"] == "some-model"
    assert payload["max_completion_tokens"] == 16
    assert payload["temperature"] == 0.0
    assert payload["stop"] == ["."]
    assert payload["stream_options"] == {"include_usage": True}


def test_a_dropped_stream_hangs_up_and_twenty_leak_no_thread() -> None:
    hung_up = threading.Semaphore(0)

    def until_hung_up(connection: socket.socket, request: str) -> None:
        try:
            drip_tokens(connection, request)
        finally:
            hung_up.release()

    with faulty_server(until_hung_up) as base_url:
        model = model_at(base_url)
        for _ in range(20):
            chunks = model.stream("hello")
            next(chunks)
            chunks.close()
            assert hung_up.acquire(timeout=300)
        wait_for_no_thread()


def test_one_model_serves_several_event_loops_and_threads(openai_stub: str) -> None:
    model = model_at(openai_stub)

    async def ask() -> str:
        return (await model.ainvoke("hello")).text

    assert [asyncio.run(ask()) for _ in range(3)] == ["Paris"] * 3
    with ThreadPoolExecutor(4) as pool:
        texts = pool.map(lambda _: "".join(c.text for c in model.stream("hello")), range(12))
        assert list(texts) == ["Paris"] * 12


@pytest.fixture
def openai_stub() -> Iterator[str]:
    with faulty_server(finished) as base_url:
        yield base_url


@pytest.mark.slow
def test_ten_megabytes_of_debug_logs_hold_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "httpcore", "httpcore2", "httpx", "httpx2", "openai"):
        caplog.set_level(logging.DEBUG, name)
    log = io.StringIO()
    faults = [*(case.values[0] for case in [*REFUSALS, *SLOW]), cut]
    set_debug(True)  # LangChain prints every prompt, answer and error
    try:
        with redirect_stdout(log):
            for fault in faults:
                fail_twice(fault, "What is the capital of France? " * 15_000)
    finally:
        set_debug(False)
    written = log.getvalue() + caplog.text
    assert len(written) > 10_000_000
    assert all(word in written for word in ("openai._base_client", "Re-raising", "llm/error"))
    assert KEY.removeprefix("sk-") not in written


def fail_twice(fault: Fault, question: str) -> None:
    with faulty_server(fault) as base_url:
        for call in (invoke, stream):
            with pytest.raises(ProviderError):
                call(model_at(base_url, timeout=0.3), question)


def test_counting_tokens_needs_no_download() -> None:
    model = model_at("http://127.0.0.1:9/v1")
    assert model.get_num_tokens("abcdefg") == 3
    assert model.get_num_tokens_from_messages([HumanMessage("abcdefg")]) == 7


def wait_for_no_thread() -> None:
    deadline = time.monotonic() + 300
    while any(thread.name == "rag-llm" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread of a dropped answer lives on"
        time.sleep(0.02)
