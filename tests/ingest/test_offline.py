"""``offline = true``: what is refused, by which name, and that the hub is out of reach."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest import IndexSettings, UsageError, embedding_model, is_loopback, keep_offline


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # put back afterwards, whatever is set here
    constants: Any = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(
            ("LANGSMITH_", "LANGCHAIN_", "OPENAI_")
        ):
            monkeypatch.delenv(name)


def settings(**values: Any) -> IndexSettings:
    return IndexSettings(offline=True, openai_api_key=SecretStr("sk-1"), **values)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000/v1", True),
        ("http://LOCALHOST/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://10.0.0.7:8000/v1", False),
        ("http://0.0.0.0:8000/v1", False),
        ("http://localhost.evil.example/v1", False),
        ("http://localhost@evil.example/v1", False),
        ("http://127.0.0.1.evil.example/v1", False),
        ("anthropic", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


@pytest.mark.parametrize(
    ("values", "variables", "place"),
    [
        pytest.param({}, {}, "api.openai.com", id="openai"),
        pytest.param(
            {"embedding_base_url": "http://me:hush@10.0.0.7:8/v1"}, {}, "10.0.0.7:8", id="server"
        ),
        pytest.param({}, {"OPENAI_BASE_URL": "https://a.example/v1"}, "a.example", id="variable"),
        pytest.param(
            {"embedding_base_url": "http://10.0.0.7:8/v1"},
            {"HTTP_PROXY": "http://me:hush@127.0.0.1:3128"},
            "10.0.0.7:8",
            id="proxy",
        ),
        pytest.param(
            {"embedding_base_url": "http://127.0.0.1:8/v1"},
            {"LANGSMITH_TRACING": "true"},
            "LANGSMITH_TRACING sends text to api.smith.langchain.com",
            id="tracing",
        ),
    ],
)
def test_an_embedding_server_elsewhere_is_refused_by_name(
    values: dict[str, str],
    variables: dict[str, str],
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        embedding_model(settings(embedding="openai:text-embedding-3-small", **values))
    assert place in str(caught.value)
    assert "which offline = true forbids" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_server_of_this_machine_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    keep_offline(settings(), "it", "http://127.0.0.1:8000/v1")
    keep_offline(settings(), "it", None)
    keep_offline(IndexSettings(), "it", "https://api.openai.com/v1")


def test_the_hub_is_out_of_reach_in_this_process_and_before_its_library_is_loaded() -> None:
    from huggingface_hub.constants import is_offline_mode

    assert not is_offline_mode()
    embedding_model(settings())
    assert is_offline_mode()
    code = (
        "from ingest import IndexSettings, embedding_model\n"
        "embedding_model(IndexSettings(offline=True))\n"
        "from huggingface_hub.constants import is_offline_mode; print(is_offline_mode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_an_unknown_model_of_the_hub_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langchain_huggingface")
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host))
    with pytest.raises(UsageError, match="nobody/nothing is neither a folder"):
        embedding_model(settings(embedding="huggingface:nobody/nothing"))
    assert asked == []
