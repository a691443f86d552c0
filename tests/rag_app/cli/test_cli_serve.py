"""``rag serve`` starts, serves and ends; what can't be served is one sentence and exit code 2."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from running import Rag

RAG = [sys.executable, "-m", "rag_app"]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "lamp.md").write_text("# Lamp\n\nThe lamp costs ninety reais.\n")
    return folder


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_new_folder_is_indexed_and_served_until_a_signal(
    docs: Path, tmp_path: Path, stop: signal.Signals, code: int
) -> None:
    command = [*RAG, "serve", str(docs), "--index", str(tmp_path / "index"), "--port", "0"]
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "data")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as server:  # type: ignore[call-overload]
        url = server.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=60) as http:
            deadline = time.monotonic() + 60
            while http.get("/api/index").json()["state"] == "running":
                assert time.monotonic() < deadline
                time.sleep(0.1)
            answer = http.post("/api/ask", json={"question": "What does the lamp cost?"}).json()
        server.send_signal(stop)
        out, err = server.communicate(timeout=60)
    assert server.returncode == code
    assert "ninety reais" in answer["answer"]
    assert (out, err) == ("", f"serving {docs} as 'documents'; Ctrl-C stops\n")


def test_several_folders_are_served_under_their_names(docs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "chair.md").write_text("# Chair\n\nThe chair costs seventy reais.\n")
    named = [f"--collection=lamps={docs}", f"--collection=chairs={other}"]
    command = [*RAG, "serve", *named, "--index", str(tmp_path / "index"), "--port", "0", "--quiet"]
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "data")}
    with subprocess.Popen(command, text=True, env=environment, stdout=subprocess.PIPE) as server:
        assert server.stdout
        with httpx.Client(base_url=server.stdout.readline().strip(), timeout=60) as http:
            for name, source in (("lamps", "lamp.md"), ("chairs", "chair.md")):
                of = {"collection": name}
                while http.get("/api/index", params=of).json()["state"] == "running":
                    time.sleep(0.1)
                listed = http.get("/api/documents", params=of).json()["documents"]
                assert [one["source"] for one in listed] == [source]
            names = [one["name"] for one in http.get("/api/status").json()["collections"]]
        server.terminate()
    assert names == ["lamps", "chairs"]
    assert {path.name for path in tmp_path.iterdir()} >= {"index-lamps", "index-chairs"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "the documents folder nowhere does not exist: make it"),
        (["--host", "0.0.0.0"], "0.0.0.0 can be reached from other machines: set RAG_SERVER_TOKEN"),
        (["--collection", "a/b=."], "'a/b' can't name a collection"),
        (["--collection", "a"], "is not KEY=VALUE"),
        ([".", "--collection", "a=."], "give one FOLDER, or several folders"),
        (["--port", "99999"], "less than or equal to 65535"),
        (["--llm", "nonsense"], "'nonsense' is not a chat model"),
    ],
)
def test_what_can_not_be_served_is_said_in_a_sentence(
    rag_alone: Rag,
    docs: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(docs)
    monkeypatch.setenv("RAG_DOCUMENTS", ".")
    done = rag_alone("serve", *arguments, "--no-open")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_port_in_use_is_named(rag_alone: Rag, docs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = rag_alone("serve", str(docs), "--port", port)
    assert done.code == 2
    assert f"can't listen on 127.0.0.1 port {port} (Address already in use)" in done.err
