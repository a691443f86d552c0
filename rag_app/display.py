"""How an answer reads: as plain text, and as Markdown in a notebook."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.types import Answer, Citation

# C0 and C1 controls but tab and newline, and the overrides of text direction: a document or a
# file name could use them to move the cursor or to disguise what is shown.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# What begins a link, a list, a formula or any other Markdown, in a line or at its start.
_MARKDOWN = re.compile(r"[\\`*_{}\[\])#+\-.!|~$^:=@]")


def printable(text: str) -> str:
    """Return the text with line ends as newlines and terminal controls as U+FFFD."""
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))


def source_line(source: str, page: int | None, headings: Sequence[str] = ()) -> str:
    """Return ``file, page 3, Section > Part`` on one line."""
    parts = (source, f"page {page}" if page else "", " > ".join(headings))
    return printable(" ".join(", ".join(part for part in parts if part).split()))


def place_line(citation: Citation, headings: Sequence[str] = ()) -> str:
    """Return one line: the citation's number, file, page and headings."""
    return f"[{citation.n}] {source_line(citation.source, citation.page, headings)}"


def show_command(citation: Citation) -> str:
    """Return the command that shows the citation's place, to be typed in a shell."""
    place = f"{citation.source}:{citation.start}-{citation.end}"
    return f"rag show {shlex.quote(printable(place))}"


def layout(answer: Answer, every_quote: bool = False) -> Iterator[tuple[Citation, bool, bool]]:
    """Yield each citation, whether a blank line parts it from the one before, and if it is quoted.

    It is quoted if the answer does not itself have the quote, word for word.
    """
    apart = True
    for citation in answer.citations:
        quoted = every_quote or citation.quote not in answer.text
        yield citation, quoted or apart, quoted
        apart = quoted


def plain(answer: Answer) -> str:
    """Return the answer, the places of its quotes, and the quotes that it does not itself have."""
    return printable("\n".join(_plain_lines(answer)))


def _plain_lines(answer: Answer) -> Iterator[str]:
    yield answer.text
    if answer.nearest:
        yield "\nnearest:"
    for citation in answer.nearest:
        yield f"{place_line(citation)}\n{citation.quote}"
    for citation, apart, quoted in layout(answer):
        yield ("\n" if apart else "") + place_line(citation)
        if quoted:
            yield citation.quote
    if answer.unsupported:
        yield "\nwithout support in the documents:"
        yield from answer.unsupported


def markdown(answer: Answer) -> str:
    """Return the answer as Markdown, each quote under its place; what documents say stays text."""
    blocks = [_text(answer.text)]
    if answer.nearest:
        blocks.append("nearest:")
    for citation in (*answer.citations, *answer.nearest):
        quote = _text(citation.quote).replace("\n", "\n> ")
        blocks.append(f"**{_text(place_line(citation))}**\n\n> {quote}")
    if answer.unsupported:
        blocks.append("without support in the documents:")
        blocks += map(_text, answer.unsupported)
    return "\n\n".join(blocks)


def _text(text: str) -> str:
    """Return Markdown that shows the text as it is, line by line."""
    lines = (" ".join(line.split()) for line in printable(text).strip().splitlines())
    return "\\\n".join(_MARKDOWN.sub(r"\\\g<0>", escape(line, quote=False)) for line in lines)
