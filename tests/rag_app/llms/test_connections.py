"""Chat models and proxies: never for this machine, named where one is used."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from typing import Any

import pytest
from faults import faulty_server, finished, send_json
from pydantic import SecretStr

from ingest import ProviderError

pytest.importorskip("langchain_openai")

from rag_app.llms.chat_openai import openai_chat_model

KEY = "sk-test-0123456789abcdefghij"
ELSEWHERE = "http://models.example/v1"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def answers(base_url: str) -> list[str]:
    """Return the answer of a model, in one piece and streamed."""
    model = openai_chat_model(
        "m",
        base_url=base_url,
        api_key=SecretStr(KEY),
        max_tokens=16,
        temperature=0.0,
        timeout=300,
    )
    return [str(model.invoke("hello").text), "".join(str(c.text) for c in model.stream("hello"))]


def failure(base_url: str) -> str:
    with pytest.raises(ProviderError) as caught:
        answers(base_url)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks9"])
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "OPENAI_PROXY"])
def test_a_server_of_this_machine_is_reached_past_any_proxy(
    name: str, scheme: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"{scheme}://127.0.0.1:{closed_port}")
    with faulty_server(finished) as base_url:
        assert answers(base_url) == ["Paris", "Paris"]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy", "OPENAI_PROXY"])
def test_a_server_elsewhere_is_reached_through_the_proxy(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heads: list[str] = []

    def proxy(connection: Any, request: str) -> None:
        heads.append(request)
        finished(connection, request)

    with faulty_server(proxy) as base_url:
        monkeypatch.setenv(name, base_url.replace("//", "//me:hush@").removesuffix("/v1"))
        assert answers(ELSEWHERE) == ["Paris", "Paris"]
    assert {head.splitlines()[0] for head in heads} == {
        "POST http://models.example/v1/chat/completions HTTP/1.1"
    }
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_an_exception_to_the_proxy_is_reached_without_it(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name can't be resolved here: what matters is that no proxy is asked, nor named."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("NO_PROXY", "models.invalid")
    said = failure("http://models.invalid/v1")
    assert said.startswith("openai:m at models.invalid: the connection failed")
    assert "proxy" not in said


def test_a_proxy_that_does_not_listen_is_named(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:hush@127.0.0.1:{closed_port}")
    said = failure(ELSEWHERE)
    assert f"models.example through the proxy 127.0.0.1:{closed_port}: the connection" in said
    assert said.endswith("is the proxy right, or should NO_PROXY name the server?")
    assert "hush" not in said


@pytest.mark.parametrize("address", [ELSEWHERE, "https://models.example/v1"])
def test_a_proxy_that_refuses_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: Any, request: str) -> None:
        send_json(connection, "hush: who are you?", 407)

    with faulty_server(refuse) as base_url:
        proxy = base_url.replace("//", "//me:hush@").removesuffix("/v1")
        monkeypatch.setenv("ALL_PROXY", proxy)
        said = failure(address)
    assert f"through the proxy {base_url[7:-3]}: " in said
    assert "407" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks5://me:hush@127.0.0.1:9", "a SOCKS proxy needs a package: pip install socksio"),
        ("socks9://me:hush@127.0.0.1:9", "it has to start with http://, https:// or socks5://"),
        ("http://me:hush@127.0.0.1:port", "the proxy can't be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told(
    proxy: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    said = failure(ELSEWHERE)
    assert problem in said
    assert "models.example through the proxy 127.0.0.1:" in said
    assert "hush" not in said
