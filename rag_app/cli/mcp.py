"""``rag mcp``: the tools of one or several folders for an MCP client, over stdin and stdout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag_app.cli.options import Index, Llm, Prompt, Quiet, TopK, parse_pairs, settings_of_index


def mcp(
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", metavar="NAME=FOLDER", help="Serve this folder; repeatable."),
    ] = None,
    llm: Llm = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    index: Index = None,
    quiet: Quiet = False,
) -> None:
    """Serve the index to an MCP client over stdin and stdout.

    Configure the client to run this command; 'rag serve' has the same at /mcp.
    """
    import asyncio

    from ingest import MissingExtraError
    from rag_app.settings import load_settings

    folders = parse_pairs("--collection", collection, "contracts=docs/contracts")
    choices = {"index": index, "llm": llm, "prompt": prompt, "top_k": top_k}
    settings = load_settings(**choices) if folders else settings_of_index(quiet, **choices)
    try:
        from rag_app.server.collections import open_collections
        from rag_app.server.protocols.mcp_server import serve_stdio
    except ModuleNotFoundError as error:
        raise MissingExtraError("rag mcp", "server") from error
    collections = open_collections(settings, {name: Path(one) for name, one in folders.items()})
    try:
        asyncio.run(serve_stdio(collections))
    finally:
        collections.close()
