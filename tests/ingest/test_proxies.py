"""Which proxy a request goes through, as the environment says, and that embeddings keep to it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest import IndexSettings, ProviderError, embedding_model, proxy_of

PROXY = "http://me:hush@proxy.example:3128"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("address", "variables", "proxy"),
    [
        ("https://a.example/v1", {}, None),
        ("https://a.example/v1", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://a.example/v1", {"https_proxy": PROXY}, PROXY),
        ("https://a.example/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://a.example/v1", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://a.example/v1", {"ALL_PROXY": "socks5://s.example:9"}, "socks5://s.example:9"),
        ("http://a.example/v1", {"ALL_PROXY": "s.example:9"}, "http://s.example:9"),
        ("https://a.example/v1", {"OPENAI_PROXY": PROXY, "HTTPS_PROXY": "http://b"}, PROXY),
        ("https://a.example/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "b.example"}, PROXY),
        ("https://a.example/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".example"}, None),
        ("https://a.example/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "b, a.example"}, None),
        ("https://a.example/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ("http://10.1.2.3:8/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3:8/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, PROXY),
        ("http://127.0.0.1:8/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://localhost:8/v1", {"ALL_PROXY": PROXY}, None),
        ("https://[::1]:8/v1", {"HTTPS_PROXY": PROXY, "OPENAI_PROXY": PROXY}, None),
        ("anthropic", {"ALL_PROXY": PROXY}, None),
    ],
)
def test_the_environment_names_the_proxy(
    address: str,
    variables: dict[str, str],
    proxy: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(address) == proxy


class _Embeddings(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        data = [
            {"object": "embedding", "index": n, "embedding": [3, 4]} for n in range(len(inputs))
        ]
        body = json.dumps({"object": "list", "model": "m", "data": data}).encode()
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server of embeddings, which as a proxy answers for every address."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Embeddings)
    made.paths = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def embed(base_url: str) -> list[float]:
    model = embedding_model(
        IndexSettings(
            embedding="openai:m",
            embedding_base_url=base_url,
            openai_api_key=SecretStr("sk-test-0123456789"),
        )
    )
    return [round(float(value), 3) for value in model.embed_query("one")]


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks9"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "OPENAI_PROXY"])
def test_a_server_of_this_machine_is_reached_past_any_proxy(
    name: str, scheme: str, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langchain_openai")
    monkeypatch.setenv(name, f"{scheme}://127.0.0.1:9")
    assert embed(f"http://127.0.0.1:{server.server_port}/v1") == [0.6, 0.8]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "OPENAI_PROXY"])
def test_a_server_elsewhere_is_reached_through_the_proxy(
    name: str, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langchain_openai")
    monkeypatch.setenv(name, f"http://me:hush@127.0.0.1:{server.server_port}")
    assert embed("http://vectors.example/v1") == [0.6, 0.8]
    assert set(server.paths) == {"http://vectors.example/v1/embeddings"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        pytest.param("http://me:hush@127.0.0.1:{port}", "can't be reached", id="dead"),
        pytest.param("socks5://me:hush@127.0.0.1:{port}", "pip install socksio", id="socks"),
        pytest.param("socks9://me:hush@127.0.0.1:{port}", "has to start with http://", id="no"),
    ],
)
def test_a_proxy_that_fails_is_named_without_its_password(
    proxy: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langchain_openai")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("ALL_PROXY", proxy.format(port=port))
    with pytest.raises(ProviderError) as caught:
        embed("http://vectors.example/v1")
    assert f"vectors.example through the proxy 127.0.0.1:{port}" in str(caught.value)
    assert problem in str(caught.value)
    assert "hush" not in str(caught.value)
