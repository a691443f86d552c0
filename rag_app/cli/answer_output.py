"""Print answers and their evidence, in a terminal or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import identify_language, in_different_languages
from rag_app.attribution.conflicts import stated_date
from rag_app.attribution.prompt_injection import instructs
from rag_app.cli.output import note, printable, terminal
from rag_app.extractive.answerability import calibration
from rag_app.types import (
    Answer,
    Citation,
    Event,
    Retrieved,
    ScoredChunk,
    Thinking,
    Token,
    chunk_of,
    layout,
    place_line,
    show_command,
    source_line,
)

if TYPE_CHECKING:
    from rich.console import Console

    from rag_app.app import RagApp

_LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "pt": "Portuguese",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and the chunks it was made from, best first."""

    answer: Answer
    chunks: Sequence[ScoredChunk]


def stream_reply(
    events: Iterable[Event], silent: bool = False, quiet: bool = False, thinking: bool = True
) -> Reply:
    """Return the reply of a stream, and print its answer; on a terminal as it is generated.

    Args:
        events: The stream.
        silent: Do not print the answer.
        quiet: Print no notes on how the answer was made.
        thinking: On a terminal, show the model's thinking, dimmed, until the answer comes.
    """
    chunks: Sequence[ScoredChunk] = ()
    streamed = thought = ""
    with _preview(None if silent else terminal()) as show:
        for item in events:
            match item:
                case Retrieved():
                    chunks = item.chunks
                case Thinking():
                    thought, streamed = thought + item.text, ""
                    show(thought if thinking else "", "dim")
                case Token():
                    streamed += item.text
                    show(streamed, "")
                case Answer():
                    answer = item
    if not silent:
        print(printable(answer.text))
    for text in _notes(answer):
        note(f"note: {text}", quiet)
    return Reply(answer, chunks)


def print_places(reply: Reply, app: RagApp) -> None:
    """Print one line per citation: number, file, location and headings; nearest quotes in full."""
    _print_nearest(reply, app)
    for citation in reply.answer.citations:
        print_linked(app, _line(citation, reply, app), citation.source, citation.page)


def print_citations(reply: Reply, app: RagApp, every_quote: bool = False) -> None:
    """Print the place of each quote, then the unsupported sentences.

    A quote is printed below its place if the answer does not contain it verbatim, or with
    ``every_quote``.
    """
    _print_nearest(reply, app)
    for citation, apart, quoted in layout(reply.answer, every_quote):
        if apart:
            print()
        print_linked(app, _line(citation, reply, app), citation.source, citation.page)
        if quoted:
            print(printable(citation.quote))
    if reply.answer.unsupported:
        print("\nwithout support in the documents:")
        print("\n".join(printable(sentence) for sentence in reply.answer.unsupported))


def _print_nearest(reply: Reply, app: RagApp) -> None:
    if reply.answer.nearest:
        print("\nnearest:")
    for citation in reply.answer.nearest:
        shown = place_line(citation, _headings(citation, reply.chunks))
        shown += f" ({show_command(citation)})"
        print_linked(app, shown, citation.source, citation.page)
        print(printable(citation.quote))


def print_linked(app: RagApp, shown: str, source: str, page: int | None) -> None:
    """Print a line; on a terminal it links to the document, if that is a file.

    Args:
        app: The app of the index.
        shown: The line.
        source: The document.
        page: The page to open, of a PDF.
    """
    console = terminal()
    if console is None:
        print(shown)
        return
    from rich.style import Style

    link = _link(_file(app, source), page)
    console.print(shown, style=Style(bold=True, link=link), markup=False)


def print_chunks(chunks: Sequence[ScoredChunk]) -> None:
    """Print each chunk below its rank, place and scores."""
    for rank, chunk in enumerate(chunks, 1):
        if rank > 1:
            print()
        shown = source_line(chunk.source, chunk.location_at(chunk.start), chunk.headings)
        print(f"{rank}. {shown} {_scores(chunk)}")
        print(printable(chunk.text))


def print_explanation(chunks: Sequence[ScoredChunk], to_stderr: bool) -> None:
    """Print one line per retrieved chunk: scores, place and first words."""
    stream = sys.stderr if to_stderr else sys.stdout
    print("\nretrieved:", file=stream)
    for rank, chunk in enumerate(chunks, 1):
        place = source_line(chunk.source, chunk.location_at(chunk.start), chunk.headings)
        beginning = printable(" ".join(chunk.text.split())[:60])
        warned = warning(chunk.text)
        print(f"{rank}. {_scores(chunk)} {place}: {beginning}…{warned}", file=stream)


def warning(text: str) -> str:
    """Return a warning for the line of a chunk that looks like a prompt injection, or nothing."""
    signs = instructs(text)
    return f" [instructs the reader: {', '.join(signs)}]" if signs else ""


def place(citation: Citation, chunks: Sequence[ScoredChunk]) -> str:
    """Return one line: the citation's number, file, location and headings, and if it is weak."""
    shown = place_line(citation, _headings(citation, chunks))
    return shown if citation.verified else f"{shown} (does not clearly support the answer)"


def _headings(citation: Citation, chunks: Sequence[ScoredChunk]) -> tuple[str, ...]:
    chunk = chunk_of(citation, chunks)
    return chunk.headings_at(citation.start - chunk.start) if chunk else ()


def _line(citation: Citation, reply: Reply, app: RagApp) -> str:
    """Return the line of a citation.

    It has the place, the language if not the question's, conflicting citations, and the command
    that shows the quote in its context.
    """
    shown = place(citation, reply.chunks)
    asked_in = identify_language(reply.answer.question)
    if in_different_languages(asked_in, citation.language):
        shown += f" (quoted from {_LANGUAGES.get(citation.language, citation.language)})"
    for group in reply.answer.conflicts:
        if citation.n in group:
            others = ", ".join(f"[{n}]" for n in group if n != citation.n)
            shown += f" (disagrees with {others}{_dated(app, citation.source)})"
    return f"{shown} ({show_command(citation)})"


def _dated(app: RagApp, source: str) -> str:
    """Return the date of a document, to tell which of two is newer.

    A date in its name or metadata comes first; the file's own date may be that of a copy.
    """
    document, file = app.document(source), _file(app, source)
    metadata = document.metadata if document else {}
    if stated := stated_date(metadata.get("title", ""), source) or metadata.get("date"):
        return f"; of {stated}"
    if not file.is_file():
        return ""
    return f"; file of {date.fromtimestamp(file.stat().st_mtime).isoformat()}"


def _file(app: RagApp, source: str) -> Path:
    return Path(app.store.state().folder or app.settings.documents) / source


def _notes(answer: Answer) -> Iterator[str]:
    usage, confidence = answer.usage, answer.retrieval_confidence
    for group in answer.conflicts:
        yield f"the documents disagree: {' and '.join(f'[{n}]' for n in group)}"
    if confidence is not None and confidence < calibration().threshold and not answer.abstained:
        yield f"the documents may not hold the answer (retrieval confidence {confidence:.2f})"
    if usage.get("cached"):
        yield "answered from the cache"
    if usage.get("cut"):
        yield "the answer was cut at its maximum length: raise llm_max_tokens"
    if dropped := usage.get("dropped_chunks"):
        yield f"{dropped} retrieved chunks did not fit into the model's context window"


@contextmanager
def _preview(console: Console | None) -> Iterator[Callable[[str, str], None]]:
    """Yield a function that shows the text so far in a style; it disappears afterwards.

    The final answer is not the streamed text: its citations are verified and renumbered.
    """
    if console is None:
        yield lambda text, style: None
        return
    from rich.live import Live
    from rich.text import Text

    most = console.width * (console.height - 2)
    with Live(console=console, transient=True) as live:
        yield lambda text, style: live.update(Text(printable(text[-most:]), style=style))


def _scores(chunk: ScoredChunk) -> str:
    return f"(score {chunk.score:.3f}, dense {chunk.dense:.3f}, lexical {chunk.lexical:.2f})"


def _link(file: Path, page: int | None) -> str | None:
    """Return the URL of a file, None if there is none, as for a text without a file."""
    if not file.is_file():
        return None
    address = file.absolute().as_uri()
    return f"{address}#page={page}" if page and file.suffix.lower() == ".pdf" else address
