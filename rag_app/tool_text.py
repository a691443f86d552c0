"""An answer as a chat model reads it, from a tool of LangChain or MCP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest.text.printable import printable
from rag_app.prompts.context import format_context
from rag_app.types import Answer, Citation, ScoredChunk, place_line


def tool_text(answer: Answer, chunks: Sequence[ScoredChunk]) -> str:
    """Return the answer with its quotes, or with the nearest chunks where it is not sure.

    A quote is one line behind its number, so no document can add a line that looks like another.

    Args:
        answer: The answer.
        chunks: The chunks it was made from, best first.
    """
    return printable("\n\n".join(_parts(answer, chunks)))


def _parts(answer: Answer, chunks: Sequence[ScoredChunk]) -> Iterator[str]:
    yield answer.text
    if answer.abstained:
        if chunks:
            yield f"The texts that come nearest:\n\n{format_context(chunks)}"
        return
    if answer.citations:
        yield "\n".join(map(_quote, answer.citations))
    for group in answer.conflicts:
        yield f"The documents disagree: {' and '.join(f'[{n}]' for n in group)}."
    if answer.unsupported:
        yield f"Without support in the documents: {' '.join(answer.unsupported)}"


def _quote(citation: Citation) -> str:
    note = "" if citation.verified else " (does not support the sentence)"
    return f'{place_line(citation)}: "{" ".join(citation.quote.split())}"{note}'
