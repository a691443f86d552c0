"""The official MCP client, over HTTP and over the pipes of a real ``rag mcp``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from chat_server import Messages, chat_server
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import TextContent, TextResourceContents
from served import collections

from rag_app import RagApp
from rag_app.server.security.access import Tokens, new_token

QUESTION = "How long does the warranty of the Aurora lamp last?"
PERGUNTA = "Quantos dias de férias tem cada funcionário?"
TOOLS = ["search_documents", "ask", "read_document"]


@pytest.fixture(params=["http", "stdio"])
def target(request: pytest.FixtureRequest, folder: Path) -> Any:
    """What the client connects to."""
    if request.param == "http":
        return f"{request.getfixturevalue('server')}/mcp"
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "rag_app", "mcp", "--index", str(folder / "index"), "--quiet"],
        cwd=Path(__file__).parents[3],
        env=dict(os.environ),
    )


@pytest.fixture(scope="module")
def app(folder: Path) -> RagApp:
    return RagApp(documents=folder / "docs", index=folder / "index")


def talk(target: Any, conversation: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Client(target) as client:
            await conversation(client)

    asyncio.run(asyncio.wait_for(run(), 60))


def text_of(result: Any) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def assert_verbatim(record: dict[str, Any], app: RagApp, text: str) -> None:
    document = app.document(record["source"])
    assert document is not None
    assert document.text[record["start"] : record["end"]] == text


def test_a_client_uses_every_tool_and_resource(target: Any, app: RagApp) -> None:
    async def conversation(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == TOOLS
        for tool in tools.values():
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint

        async def call(name: str, **arguments: Any) -> tuple[str, Any]:
            result = await client.call_tool(name, arguments)
            assert not result.is_error
            jsonschema.validate(result.structured_content, tools[name].output_schema)
            return text_of(result), result.structured_content

        text, found = await call("search_documents", question=QUESTION, top_k=2)
        assert found["chunks"][0]["source"] == "warranty.md"
        assert len(found["chunks"]) == 2
        for chunk in found["chunks"]:
            assert_verbatim(chunk, app, chunk["text"])
        assert text.startswith("[1] warranty.md")

        for question in (QUESTION, PERGUNTA):
            text, answered = await call("ask", question=question)
            assert answered["answer"] == app.ask(question).text
            for citation in answered["citations"]:
                assert_verbatim(citation, app, citation["quote"])
                assert f"[{citation['n']}] {citation['source']}" in text

        cited = answered["citations"][0]
        span = {key: cited[key] for key in ("source", "start", "end")}
        text, read = await call("read_document", **span, collection="documents")
        assert read["text"] == cited["quote"]
        assert cited["quote"] in text
        _, read = await call("read_document", source="prices.csv")
        assert_verbatim(read, app, read["text"])
        assert (read["start"], read["end"]) == (0, read["length"])

        resources = (await client.list_resources()).resources
        assert [one.name for one in resources] == ["ferias.md", "prices.csv", "warranty.md"]
        for resource in resources:
            (contents,) = (await client.read_resource(resource.uri)).contents
            assert isinstance(contents, TextResourceContents)
            assert contents.text == app.document(resource.name).text  # type: ignore[union-attr]

    talk(target, conversation)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("read_document", {"source": "../secret"}, "there is no document '../secret'"),
        ("read_document", {"source": "ferias.md", "start": 10**6}, "nothing begins at 1000000"),
        ("ask", {"question": QUESTION, "collection": "other"}, "there is no collection 'other'"),
        ("ask", {"question": "  "}, "the question is empty"),
        ("ask", {"question": 3}, "question: Input should be a valid string"),
        ("ask", {"question": "a", "more": 1}, "more: Extra inputs are not permitted"),
        ("search_documents", {"question": "a", "filter": {"colour": "red"}}, "colour"),
    ],
    ids=str,
)
def test_a_failure_is_a_result_that_the_model_reads(
    server: str, name: str, arguments: dict[str, Any], message: str
) -> None:
    async def conversation(client: Client) -> None:
        result = await client.call_tool(name, arguments)
        assert result.is_error
        assert message in text_of(result)

    talk(f"{server}/mcp", conversation)


def test_what_does_not_exist_is_an_error_of_the_protocol(server: str) -> None:
    async def conversation(client: Client) -> None:
        for request in (
            lambda: client.call_tool("delete_documents", {}),
            lambda: client.read_resource("documents://documents/..%2Fsecret"),
            lambda: client.read_resource("file:///etc/passwd"),
            lambda: client.list_resources(cursor="-1"),
        ):
            with pytest.raises(MCPError, match=r"there is no such|there is no tool"):
                await request()

    talk(f"{server}/mcp", conversation)


def test_resources_come_in_pages(tmp_path: Path, serve: Callable[..., str]) -> None:
    names = [f"note {number:03}.txt" for number in range(120)]
    (tmp_path / "docs").mkdir()
    for name in names:
        (tmp_path / "docs" / name).write_text(f"This is the {name}.", "utf-8")
    RagApp(documents=tmp_path / "docs", index=tmp_path / "index").index()
    url = serve(collections(tmp_path))

    async def conversation(client: Client) -> None:
        first = await client.list_resources()
        second = await client.list_resources(cursor=first.next_cursor)
        assert len(first.resources) == 100
        assert [one.name for one in (*first.resources, *second.resources)] == names
        assert second.next_cursor is None

    talk(f"{url}/mcp", conversation)


def test_a_collection_that_may_not_be_read_does_not_exist(
    folder: Path, tmp_path: Path, serve: Callable[..., str]
) -> None:
    token, entry = new_token("reader", ["elsewhere"], [])
    file = tmp_path / "tokens.yaml"
    file.write_text(entry, "utf-8")
    file.chmod(0o600)
    url = f"{serve(collections(folder), tokens=Tokens.of(None, file))}/mcp"
    with httpx.Client(timeout=30) as http:
        assert http.post(url, json={}).status_code == 401
        for method, params in (
            ("resources/list", {}),
            ("resources/read", {"uri": "documents://documents/ferias.md"}),
            ("tools/call", {"name": "ask", "arguments": {"question": QUESTION}}),
        ):
            headers = {
                "Authorization": f"Bearer {token}",
                "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": "2025-06-18",
            }
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            done = http.post(url, json=body, headers=headers)
            assert "vinte" not in done.text
            assert "warranty" not in done.text
            assert any(
                said in done.text
                for said in ('"resources":[]', "there is no such document", "no collection")
            ), done.text


def test_a_client_that_leaves_ends_the_answer(folder: Path, serve: Callable[..., str]) -> None:
    begun, ended = threading.Event(), threading.Event()

    def write(_: Messages) -> Iterator[str]:
        try:
            while True:
                begun.set()
                yield "more and more "
        finally:
            ended.set()

    async def leave(url: str) -> None:
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "ask", "arguments": {"question": QUESTION}},
        }
        headers = {"Accept": "application/json, text/event-stream"}
        async with httpx.AsyncClient(timeout=60) as http:
            asking = asyncio.ensure_future(http.post(url, json=body, headers=headers))
            assert await asyncio.to_thread(begun.wait, 60)
            asking.cancel()

    with chat_server(write, pause=0.05) as model:
        served = collections(folder, llm="openai:m", llm_base_url=model, cache=False)
        asyncio.run(leave(f"{serve(served)}/mcp"))
        assert ended.wait(60)


def test_stdout_holds_only_the_protocol(folder: Path) -> None:
    """Also where a collection has no index, which is an error of its tools."""
    command = [sys.executable, "-m", "rag_app", "mcp"]
    command += ["--collection", f"empty={folder / 'docs'}", "--index", str(folder / "none")]
    requests: list[dict[str, Any]] = [
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {"id": 2, "method": "resources/list"},
        {
            "id": 3,
            "method": "tools/call",
            "params": {"name": "ask", "arguments": {"question": QUESTION}},
        },
    ]
    running = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert running.stdin is not None
    assert running.stdout is not None
    replies = []
    for request in requests:
        running.stdin.write(json.dumps({"jsonrpc": "2.0", **request}) + "\n")
        running.stdin.flush()
        if "id" in request:
            replies.append(json.loads(running.stdout.readline()))
    rest, errors = running.communicate(timeout=60)
    assert (running.returncode, rest) == (0, ""), errors
    assert [reply["id"] for reply in replies] == [1, 2, 3]
    assert replies[1]["result"]["resources"] == []
    assert replies[2]["result"]["isError"]
    assert "rag index" in replies[2]["result"]["content"][0]["text"]
    assert "Traceback" not in errors
