"""What ``rag doctor`` finds out about the models: where they are, and whether they answer."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from running import DOCUMENTS, Rag

sys.path.insert(0, str(Path(__file__).parents[1] / "llms"))
from faults import faulty_server, finished, hang, send_json, status

KEY = "sk-test-0123456789abcdefghij"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("LANGSMITH_", "LANGCHAIN_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def findings(out: str) -> dict[str, tuple[str, str]]:
    return {found["check"]: (found["state"], found["detail"]) for found in json.loads(out)}


def test_a_server_that_answers_is_told_with_its_place(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(finished) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        run = rag("doctor", "--llm", "openai:m", "--json")
    state, detail = findings(run.out)["chat model"]
    assert (run.code, state) == (0, "ok")
    assert detail.startswith("openai:m; questions and retrieved text stay on this machine; wrote")
    assert detail.endswith("does not tell how many tokens it reads")
    assert findings(run.out)["network"][0] == "ok"


def test_each_model_of_several_is_tried(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty_server(status(401, "{head}")) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        run = rag("doctor", "--llm", "openai:m,extractive", "--json")
    models = [found for found in json.loads(run.out) if found["check"] == "chat model"]
    assert run.code == 0
    assert [found["state"] for found in models] == ["note", "ok"]
    assert "the key was refused (401)" in models[0]["detail"]
    assert KEY not in run.out


def test_a_model_without_its_key_leaves_the_others_their_rows(rag: Rag) -> None:
    run = rag("doctor", "--llm", "openai:x,extractive", "--json")
    models = [found for found in json.loads(run.out) if found["check"] == "chat model"]
    assert (run.code, [found["state"] for found in models]) == (0, ["note", "ok"])
    assert models[0]["detail"].startswith("openai:x needs a key: set OPENAI_API_KEY")
    assert findings(run.out)["index"][0] == "ok"


def test_models_of_which_none_works_have_to_be_mended(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(status(401, "{head}")) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        run = rag("doctor", "--llm", "openai:m,huggingface:./gone", "--json")
    models = [found for found in json.loads(run.out) if found["check"] == "chat model"]
    assert [(found["state"], found["exit_code"]) for found in models] == [("fail", 4), ("fail", 2)]
    assert run.code == 4


def test_missing_documents_are_a_note_because_asking_works(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_DOCUMENTS", "papers")
    run = rag("doctor", "--json")
    missing = "papers is not a folder: asking works, rag index needs it"
    assert (run.code, findings(run.out)["documents"]) == (0, ("note", missing))
    monkeypatch.delenv("RAG_DOCUMENTS")
    assert findings(rag("doctor", "--json").out)["documents"] == ("ok", str(DOCUMENTS))


def test_no_server_is_told_at_once(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("RAG_LLM_BASE_URL", f"http://127.0.0.1:{port}/v1")
    run = rag("doctor", "--llm", "openai:m", "--json")
    assert findings(run.out)["chat model"][1].startswith(f"127.0.0.1:{port} can't be reached")
    assert run.code == 4


def test_a_server_that_says_nothing_is_not_waited_for(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_app.cli.doctor._PROBE_SECONDS", 0.5)
    with faulty_server(hang) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        run = rag("doctor", "--llm", "openai:m", "--json")
    assert "did not finish within 0.5 s" in findings(run.out)["chat model"][1]


def test_what_a_server_refuses_is_told(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(connection: socket.socket, request: str) -> None:
        body = json.loads(request.rpartition("\n")[2])
        if "temperature" in body:
            send_json(connection, {"detail": "unknown field: temperature"}, 422)
        elif body["messages"][0]["role"] == "system":
            send_json(connection, {"detail": "This template has no system role"}, 400)
        elif "stream_options" in body:
            send_json(connection, {"detail": "unknown field: stream_options"}, 422)
        else:
            finished(connection, request)

    with faulty_server(refuses) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        run = rag("doctor", "--llm", "openai:m", "--json")
    state, detail = findings(run.out)["chat model"]
    assert (run.code, state) == (0, "ok")
    assert "; it refuses temperature: left out; it refuses stream_options: left out; " in detail
    assert "; it refuses the system role: its text goes before the question; " in detail


def test_a_deployment_of_azure_is_told_with_its_place(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01-preview")
    with faulty_server(finished) as base_url:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", base_url.removesuffix("/v1"))
        run = rag("doctor", "--llm", "azure_openai:d", "--json")
    detail = findings(run.out)["chat model"][1]
    assert detail.startswith("azure_openai:d; questions and retrieved text stay on this machine; w")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.invalid")
    found = findings(rag("doctor", "--llm", "azure_openai:d", "--json").out)
    assert found["chat model"][1].startswith("mine.openai.invalid:443 can't be reached")
    assert found["network"] == ("note", "text leaves this machine for azure_openai:d")


def test_a_proxy_is_told_and_never_between_this_machine_and_itself(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with faulty_server(finished) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.replace("//", "//me:hush@").removesuffix("/v1"))
        monkeypatch.setenv("RAG_LLM_BASE_URL", "http://models.example/v1")
        away = rag("doctor", "--llm", "openai:m", "--json").out
        monkeypatch.setenv("RAG_LLM_BASE_URL", f"http://127.0.0.1:{port}/v1")
        here = rag("doctor", "--llm", "openai:m", "--json").out
    place = f"are sent to models.example through the proxy {proxy[7:-3]}; wrote a word"
    assert place in findings(away)["chat model"][1]
    assert findings(here)["chat model"][1].startswith(f"127.0.0.1:{port} can't be reached")
    assert "hush" not in away + here


def test_what_leaves_the_machine_is_named(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_LLM_BASE_URL", "http://models.invalid/v1")
    state, detail = findings(rag("doctor", "--llm", "openai:m", "--json").out)["network"]
    assert (state, detail) == ("note", "text leaves this machine for openai:m")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # put back afterwards
    monkeypatch.setenv("RAG_OFFLINE", "true")
    found = findings(rag("doctor", "--llm", "openai:m", "--json").out)
    assert found["network"] == ("ok", "offline: nothing may leave this machine")
    assert "sends text to models.invalid, which offline" in found["chat model"][1]


def test_extras_and_disk_are_told(rag: Rag) -> None:
    listed = json.loads(rag("doctor", "--json").out)
    extras = {found["detail"].split()[0] for found in listed if found["check"] == "extra"}
    assert {"openai", "huggingface", "compat", "eval"} <= extras
    assert "GB free for the index" in findings(json.dumps(listed))["disk"][1]


@pytest.mark.slow
def test_a_model_in_this_process_tells_its_window_and_template(
    rag: Rag, smollm2_gguf: Path
) -> None:
    pytest.importorskip("transformers")
    llm = f"huggingface:{smollm2_gguf}"
    detail = findings(rag("doctor", "--llm", llm, "--json").out)["chat model"][1]
    assert "stay on this machine" in detail
    assert detail.endswith("reads 8192 tokens; has a chat template")
    models = json.loads(rag("tokens", "Tokens", "--llm", llm, "--json").out)["models"]
    assert [model["limit"] for model in models] == [512, 8192]
