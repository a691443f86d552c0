"""The text of a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.errors import LoadError
from ingest.loaders.blocks import join_documents
from ingest.loaders.load_options import LoadMember
from ingest.loaders.members import Members
from ingest.loaders.metadata import stated
from ingest.loaders.text import decode
from ingest.types import Document, Heading

_SEVEN_BIT = ("iso-2022-", "hz", "utf-7")  # their bytes are ASCII, but not their text


def compose(
    fields: Mapping[str, str], day: str, bodies: Sequence[Document], members: Members
) -> Document:
    """Return a message as a document: headers, text, and attachments under their names.

    Args:
        fields: The headers to show, in order; ``Subject`` is the last.
        day: The ISO 8601 date of the message; empty if unknown.
        bodies: The text.
        members: The attachments.

    Raises:
        LoadError: If there is nothing but problems.
    """
    lines = [f"{name}: {value}" for name, value in fields.items()]
    subject = fields.get("Subject", "")
    text = "\n".join(lines)
    headings = (Heading(len(text) - len(subject), 1, subject),) if subject else ()
    own = join_documents((("", Document(text, headings=headings)), *(("", one) for one in bodies)))
    document = members.joined([replace(own, places=())])
    return replace(document, metadata=stated(subject, day))


def plain_body(content: bytes, charset: str | None) -> Document:
    """Return plain text as it was written, with what it quotes."""
    return Document(decode_text(content, charset).strip("\n"))


def html_body(content: bytes, charset: str | None, load: LoadMember) -> Document:
    """Return the text of an HTML body; empty if it has none."""
    page = "\ufeff" + decode_text(content, charset)
    try:
        document = load("body.html", page.encode(errors="replace"))
    except LoadError:
        return Document("")
    headings = tuple(replace(one, level=one.level + 1) for one in document.headings)
    return replace(document, headings=headings)


def decode_text(content: bytes, charset: str | None = None) -> str:
    """Return text of a message, whatever encoding it declares; it never fails."""
    if charset and charset.lower().startswith(_SEVEN_BIT):
        try:
            return content.decode(charset)
        except (UnicodeError, LookupError):
            pass
    try:
        return decode(content, charset)
    except LoadError:
        return content.decode(errors="replace").replace("\0", "")
