"""``rag ask`` and ``rag search``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import (
    AsJson,
    Debug,
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

if TYPE_CHECKING:
    from rag_app.types import ScoredChunk

_NOTHING_FITS = "nothing in the index fits the --filter"

Question = Annotated[
    list[str],
    typer.Argument(
        metavar="QUESTION", help="The question, with or without quotes; - reads it from stdin."
    ),
]


def ask(
    question: Question,
    llm: Llm = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    filter: Filter = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each retrieved chunk with its scores.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask the chat model even if it answered before.")
    ] = False,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question from the documents, with the exact quotes it rests on."""
    asked, chosen = read_question(question), parse_filter(filter)
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
        note(f"note: {_NOTHING_FITS}", quiet)
    if explain:
        print_explanation(reply.chunks, to_stderr=as_json)


def search(
    question: Question,
    top_k: TopK = None,
    filter: Filter = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each score is made of.")
    ] = False,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="FILE", help="Say why a document was or wasn't chosen."),
    ] = None,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Show the chunks that a question finds, best first."""
    asked, chosen = read_question(question), parse_filter(filter)
    from rag_app.app import RagApp

    app = RagApp(settings_of_index(quiet, index=index, top_k=top_k))
    if explain or why:
        from rag_app.cli.explanation_output import explain_search

        explain_search(app.retriever(chosen), asked, why, as_json)
        return
    chunks = app.search(asked, filter=chosen)
    if as_json:
        print_json([chunk_record(chunk) for chunk in chunks])
        return
    from rag_app.cli.answer_output import print_chunks

    print_chunks(chunks)
    if not chunks:
        note(_NOTHING_FITS if chosen else "nothing found", quiet)


def chunk_record(chunk: ScoredChunk) -> dict[str, object]:
    """Return the stable JSON shape of a found chunk."""
    return {
        "source": chunk.source,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "score": chunk.score,
        "dense": chunk.dense,
        "lexical": chunk.lexical,
    }


def read_question(words: Sequence[str]) -> str:
    """Return the question of the words as typed, or from stdin for ``-``.

    Raises:
        UsageError: There is no question in it, or it is no text.
    """
    from ingest import UsageError
    from rag_app.types import check_question

    typed = " ".join(words)
    question = (sys.stdin.read() if typed == "-" else typed).strip()
    if not question:
        raise UsageError("the question is empty; write it after the command: rag ask How …")
    check_question(question)
    return question
