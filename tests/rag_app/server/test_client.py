"""RagClient and ``rag ask --server`` give what RagApp gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from served import DOCUMENTS, Serve, collections, write_documents

from ingest import ProviderError, UsageError
from rag_app import Answer, RagApp, RagClient, Retrieved, Token
from rag_app.server.security.access import Tokens, new_token

WARRANTY = "How long is the warranty of the Aurora lamp?"


def test_a_client_asks_streams_and_searches(server: str, folder: Path) -> None:
    app = RagApp(documents=folder / "docs", index=folder / "index")
    with RagClient(server) as client:
        expected = app.ask(WARRANTY)
        answer = client.ask(WARRANTY, filter={"language": "en"})
        assert (answer.text, answer.citations) == (expected.text, expected.citations)
        *first, last = client.stream(WARRANTY)
        assert [type(event) for event in first] == [Retrieved, Token]
        assert isinstance(last, Answer)
        assert last.text == expected.text
        found = client.search(WARRANTY, top_k=2)
    assert [(one.source, one.start, one.text) for one in found] == [
        (one.source, one.start, one.text) for one in app.search(WARRANTY)[:2]
    ]
    assert found[0].location_at(found[0].start) == "line 1"


def test_a_client_keeps_the_documents(serve: Serve, tmp_path: Path) -> None:
    write_documents(tmp_path / "docs")
    (tmp_path / "rules.txt").write_text("Visitors wear a green badge.")
    with RagClient(serve(collections(tmp_path))) as client:
        assert client.index()["new"] == len(DOCUMENTS)
        assert client.upload(tmp_path / "rules.txt") == ["rules.txt"]
        assert client.wait()["new"] == 1
        assert "green" in client.ask("What do visitors wear?").text
        client.delete("rules.txt")
        assert client.wait()["deleted"] == 1
        assert [one["source"] for one in client.documents()] == sorted(DOCUMENTS)
        assert client.status()["index"]["documents"] == len(DOCUMENTS)


def test_a_client_says_what_to_do(serve: Serve, folder: Path) -> None:
    token, entry = new_token("ana", None, [])
    (folder / "tokens.yaml").write_text(entry)
    url = serve(collections(folder), Tokens.of(None, folder / "tokens.yaml"))
    with RagClient(url) as client, pytest.raises(UsageError, match="set RAG_SERVER_TOKEN"):
        client.ask("x")
    with RagClient(url, token=token) as client:
        assert client.ask(WARRANTY).citations
        with pytest.raises(UsageError, match="may not change 'documents'"):
            client.index()
        with pytest.raises(UsageError, match="top_k"):
            client.ask("x", top_k=0)
        with pytest.raises(UsageError, match=r"none\.txt can't be read"):
            client.upload(["none.txt"])
    with RagClient(url, token="x" * 20) as client, pytest.raises(UsageError, match="not know this"):
        client.ask("x")
    with RagClient("http://127.0.0.1:9") as client, pytest.raises(ProviderError, match="rag serve"):
        client.ask("x")
    with pytest.raises(UsageError, match="not the address of a server"):
        RagClient("localhost:8765")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rag_app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_asks_a_server(server: str) -> None:
    done = run("ask", "--server", server, "--json", WARRANTY)
    assert json.loads(done.stdout)["citations"][0]["source"] == "warranty.md"
    assert (done.returncode, done.stderr) == (0, "")
    assert "[1] warranty.md, line 3" in run("ask", "--server", server, WARRANTY).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--top-k", "many"], 2, "top_k"),
        (["--collection", "other"], 2, "no collection 'other'"),
        (["--index", "x"], 2, "don't work with --server"),
    ],
)
def test_the_command_says_what_is_wrong(
    server: str, arguments: list[str], code: int, said: str
) -> None:
    done = run("ask", "--server", server, *arguments, "What is it?")
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_loads_no_model(server: str) -> None:
    code = (
        "import sys; from rag_app.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'numpy', 'langchain_core', 'openvino', 'faiss', 'fastapi', 'pydantic_settings'}; "
        "print(code, sorted(heavy & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, "ask", "--server", server, WARRANTY]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.splitlines()[-1] == "0 []"
