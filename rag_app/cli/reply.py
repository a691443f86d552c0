"""How an answer and its evidence look in a terminal and in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.chain import Retrieved, Token
from rag_app.cli.output import printable, terminal
from rag_app.types import Answer, Citation, ScoredChunk

if TYPE_CHECKING:
    from rich.console import Console

    from rag_app.app import RagApp


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and the chunks it was made from, best first."""

    answer: Answer
    chunks: Sequence[ScoredChunk]


def stream_reply(
    app: RagApp, question: str, filter: Mapping[str, str] | None, silent: bool = False
) -> Reply:
    """Ask and return the reply; print the answer unless silent, and on a terminal as it is made."""
    chunks: Sequence[ScoredChunk] = ()
    streamed = ""
    with _preview(None if silent else terminal()) as show:
        for item in app.stream(question, filter=filter):
            match item:
                case Retrieved():
                    chunks = item.chunks
                case Token():
                    streamed += item.text
                    show(streamed)
                case Answer():
                    answer = item
    if not silent:
        print(printable(answer.text))
    return Reply(answer, chunks)


def print_places(reply: Reply) -> None:
    """Print one line a citation: its number, file, page and headings."""
    for citation in reply.answer.citations:
        print(_place(citation, reply.chunks))


def print_citations(reply: Reply, app: RagApp) -> None:
    """Print each quote under its number, file, page and headings, then what has no quote."""
    console = terminal()
    documents = Path(app.store.state().folder or app.settings.documents)
    for citation in reply.answer.citations:
        place = _place(citation, reply.chunks)
        print()
        if console:
            link = _link(documents, citation)
            console.print(place, style=f"bold link {link}", markup=False)
        else:
            print(place)
        print(printable(citation.quote))
    if reply.answer.unsupported:
        print("\nwithout support in the documents:")
        print("\n".join(printable(sentence) for sentence in reply.answer.unsupported))


def print_chunks(chunks: Sequence[ScoredChunk]) -> None:
    """Print each chunk under its rank, place and scores."""
    for rank, chunk in enumerate(chunks, 1):
        if rank > 1:
            print()
        print(f"{rank}. {_source(chunk.source, chunk.page, chunk.headings)} {_scores(chunk)}")
        print(printable(chunk.text))


def print_explanation(chunks: Sequence[ScoredChunk], to_stderr: bool) -> None:
    """Print one line a retrieved chunk: its scores, its place and how it begins."""
    stream = sys.stderr if to_stderr else sys.stdout
    print("\nretrieved:", file=stream)
    for rank, chunk in enumerate(chunks, 1):
        place = _source(chunk.source, chunk.page, chunk.headings)
        beginning = printable(" ".join(chunk.text.split())[:60])
        print(f"{rank}. {_scores(chunk)} {place}: {beginning}…", file=stream)


@contextmanager
def _preview(console: Console | None) -> Iterator[Callable[[str], None]]:
    """Give a function that shows the text so far; what it showed is gone afterwards.

    The answer that is printed at the end is not the streamed text: its citations are checked and
    numbered anew.
    """
    if console is None:
        yield lambda text: None
        return
    from rich.live import Live
    from rich.text import Text

    most = console.width * (console.height - 2)
    with Live(console=console, transient=True) as live:
        yield lambda text: live.update(Text(printable(text[-most:])))


def _place(citation: Citation, chunks: Sequence[ScoredChunk]) -> str:
    headings = next(
        (
            chunk.headings
            for chunk in chunks
            if chunk.source == citation.source and chunk.start <= citation.start < chunk.end
        ),
        (),
    )
    place = f"[{citation.n}] {_source(citation.source, citation.page, headings)}"
    return place if citation.verified else f"{place} (does not clearly support the answer)"


def _source(source: str, page: int | None, headings: Sequence[str]) -> str:
    """Return ``file, page 3, Section > Part`` on one line."""
    parts = (source, f"page {page}" if page else "", " > ".join(headings))
    return printable(" ".join(", ".join(part for part in parts if part).split()))


def _scores(chunk: ScoredChunk) -> str:
    return f"(score {chunk.score:.3f}, dense {chunk.dense:.3f}, lexical {chunk.lexical:.2f})"


def _link(documents: Path, citation: Citation) -> str:
    address = (documents / citation.source).absolute().as_uri()
    return f"{address}#page={citation.page}" if citation.page else address
