"""The text of an answer for chat clients: Markdown that loads nothing, with footnotes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.text.printable import printable
from rag_app.types import Answer, Citation, markdown_text, source_line

_NEAREST = "nearest:"
_DISAGREE = "the documents disagree: "
_UNSUPPORTED = "without support in the documents: "
# An image, a link or its definition, and HTML. Other Markdown loads and hides nothing.
_BRACKET = re.compile(r"(?<=!)\[|(?<=\])[(:]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
# As `footnotes` writes them; the brackets of a marker in a text are not escaped.
_FOOTNOTES = re.compile(
    rf"\n\n(?:{_NEAREST}\n\n)?(?:\\\[\d+\\\] |{_DISAGREE}|{_UNSUPPORTED}).*", re.S
)


def answer_markdown(answer: Answer) -> str:
    """Return the text of an answer without images, links, HTML and terminal controls.

    A document, or a chat model that follows one, could send what it knows to another server with
    the address of an image.
    """
    return _TAG.sub("&lt;", _BRACKET.sub(r"\\\g<0>", printable(answer.text)))


def footnotes(answer: Answer) -> str:
    """Return the quotes of an answer below their places, to be appended to its text.

    Documents that disagree and sentences without support follow. Nothing in it is markup.
    """
    return "".join(f"\n\n{part}" for part in _parts(answer))


def without_footnotes(text: str) -> str:
    """Return an answer as `answer_markdown` gave it, without its `footnotes`."""
    return _FOOTNOTES.sub("", text)


def _parts(answer: Answer) -> Iterator[str]:
    if answer.nearest:
        yield _NEAREST
    yield from map(_footnote, (*answer.citations, *answer.nearest))
    for group in answer.conflicts:
        yield _DISAGREE + ", ".join(rf"\[{n}\]" for n in group)
    if answer.unsupported:
        yield _UNSUPPORTED + _line(" ".join(answer.unsupported))


def _footnote(citation: Citation) -> str:
    place = _line(source_line(citation.source, citation.location))
    note = "" if citation.verified else " (does not support the sentence)"
    return rf'\[{citation.n}\] {place}: "{_line(citation.quote)}"{note}'


def _line(text: str) -> str:
    return markdown_text(" ".join(text.split()))
