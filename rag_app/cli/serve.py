"""``rag serve``: the page and the APIs of one or several folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import Index, Prompt, Quiet, TopK, parse_pairs, settings_to_sync
from rag_app.cli.output import note

if TYPE_CHECKING:
    from rag_app.server.collections import Collections

Collection = Annotated[
    list[str] | None,
    typer.Option("--collection", metavar="NAME=FOLDER", help="Serve this folder; repeatable."),
]
_PORT = 8765


def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Folder of the documents.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; all but loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = _PORT,
    collection: Collection = None,
    llm: Annotated[
        list[str] | None,
        typer.Option(
            "--llm",
            metavar="PROVIDER:MODEL",
            help="Chat model to offer; repeatable, the first is the default.",
        ),
    ] = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Name that the server is reached by."),
    ] = None,
    max_upload_mb: Annotated[
        int, typer.Option("--max-upload-mb", min=1, help="Most that one upload may hold.")
    ] = 100,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Log each request with its address.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page, at a terminal.")
    ] = True,
    index: Index = None,
    quiet: Quiet = False,
) -> None:
    """Serve a page, an API, an OpenAI-compatible API and MCP.

    A folder without an index is indexed at the start.
    """
    from ingest import MissingExtraError
    from rag_app.settings import load_settings

    folders = parse_pairs("--collection", collection, "contracts=docs/contracts")
    choices = {"llm": llm[0] if llm else None, "prompt": prompt, "top_k": top_k}
    settings = (
        load_settings(index=index, **choices)
        if folders
        else settings_to_sync(folder, index, quiet, **choices)
    )
    if folder and folders:
        raise _one_or_several()
    try:
        from rag_app.server.collections import open_collections
        from rag_app.server.running import Listening, run_server
    except ModuleNotFoundError as error:
        raise MissingExtraError("rag serve", "server") from error
    collections = open_collections(
        settings, {name: Path(path) for name, path in folders.items()}, llm or ()
    )
    run_server(
        collections,
        settings,
        Listening(
            host=host,
            port=port,
            allowed_hosts=tuple(allow_host or ()),
            max_upload=max_upload_mb * 1_000_000,
            log_requests=log_requests,
        ),
        on_started=lambda url: _started(url, collections, open_browser, quiet),
    )


def _started(url: str, collections: Collections, open_browser: bool, quiet: bool) -> None:
    import sys
    import webbrowser

    print(url, flush=True)
    for served in collections.values():
        note(f"serving {served.settings.documents} as '{served.name}'; Ctrl-C stops", quiet)
    if open_browser and sys.stdout.isatty():
        webbrowser.open(url)


def _one_or_several() -> Exception:
    from ingest import UsageError

    return UsageError("give one FOLDER, or several folders as --collection NAME=FOLDER")
