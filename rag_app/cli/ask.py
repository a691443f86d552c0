"""``rag ask`` and ``rag search``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import (
    AsJson,
    Filter,
    Index,
    Llm,
    Prompt,
    Quiet,
    TopK,
    parse_filter,
    settings_of_index,
)
from rag_app.cli.output import note, print_json
from rag_app.cli.prompt import note_unread
from rag_app.cli.remote import ask_server

if TYPE_CHECKING:
    pass

_NO_MATCH = "nothing in the index matches the --filter"

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Ask this 'rag serve', without loading a model; RAG_SERVER_TOKEN is its token.",
    ),
]
Collection = Annotated[
    str | None,
    typer.Option("--collection", metavar="NAME", help="Collection of the server."),
]
Question = Annotated[
    list[str],
    typer.Argument(metavar="QUESTION", help="The question, with or without quotes; - reads stdin."),
]


def ask(
    question: Question,
    llm: Llm = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    filter: Filter = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the retrieved chunks with their scores.")
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ignore cached answers.")] = False,
    server: Server = None,
    collection: Collection = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question from the documents, with exact quotes as evidence."""
    asked, chosen = read_question(question), parse_filter(filter)
    if server:
        if index or explain or no_cache:
            raise _needs_the_index()
        answer = ask_server(
            server, collection, asked, llm=llm, prompt=prompt, top_k=top_k, filter=chosen
        )
        if as_json:
            print_json(answer.to_record())
        else:
            print(answer)
        return
    from rag_app.app import RagApp
    from rag_app.cli.answer_output import print_citations, print_explanation, stream_reply

    cache = False if no_cache else None
    app = RagApp(
        settings_of_index(quiet, index=index, llm=llm, prompt=prompt, top_k=top_k, cache=cache)
    )
    reply = stream_reply(
        app.stream(asked, filter=chosen),
        silent=as_json,
        quiet=quiet,
        thinking=app.settings.show_thinking,
    )
    note_unread(app.settings, quiet)
    if as_json:
        print_json(reply.answer.to_record())
    else:
        print_citations(reply, app)
    if chosen and not reply.chunks:
        note(f"note: {_NO_MATCH}", quiet)
    if explain:
        print_explanation(reply.chunks, to_stderr=as_json)


def search(
    question: Question,
    top_k: TopK = None,
    filter: Filter = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the components of each score.")
    ] = False,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="FILE", help="Explain why a document was retrieved or not."),
    ] = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the chunks retrieved for a question, best first."""
    asked, chosen = read_question(question), parse_filter(filter)
    from rag_app.app import RagApp

    app = RagApp(settings_of_index(quiet, index=index, top_k=top_k))
    if explain or why:
        from rag_app.cli.explanation_output import explain_search

        explain_search(app.retriever(chosen), asked, why, as_json)
        return
    chunks = app.search(asked, filter=chosen)
    if as_json:
        print_json([chunk.to_record() for chunk in chunks])
        return
    from rag_app.cli.answer_output import print_chunks

    print_chunks(chunks)
    if not chunks:
        note(_NO_MATCH if chosen else "nothing found", quiet)


def _needs_the_index() -> Exception:
    from ingest import UsageError

    return UsageError("--index, --explain and --no-cache don't work with --server: leave them out")


def read_question(words: Sequence[str]) -> str:
    """Return the question on the command line, or from stdin for ``-``.

    Raises:
        UsageError: It is empty or not valid text.
    """
    from ingest import UsageError
    from rag_app.types import check_question

    typed = " ".join(words)
    question = (sys.stdin.read() if typed == "-" else typed).strip()
    if not question:
        raise UsageError("the question is empty; write it after the command: rag ask How …")
    check_question(question)
    return question
