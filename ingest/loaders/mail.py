"""Messages and mailboxes of Internet mail (RFC 5322, MIME, RFC 4155)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.utils import parsedate_to_datetime

from ingest.errors import LoadError
from ingest.loaders.blocks import join_documents
from ingest.loaders.load_options import LoadMember, LoadOptions
from ingest.loaders.mail_parts import Part, field, leaves
from ingest.loaders.mail_text import compose, html_body, plain_body
from ingest.loaders.members import Members, clean_name
from ingest.types import Document

# Chosen by hand.
_MOST_PARTS = 1_000
_LONGEST_FIELD = 100_000
_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_LONG_FIELD = re.compile(
    rb"^content-[a-z-]+:(?:[^\n]|\n[ \t]){%d}" % _LONGEST_FIELD, re.IGNORECASE | re.MULTILINE
)
_FROM_LINE = re.compile(rb"From [^\n]{1,300}\n")
_TIME = re.compile(rb"\d\d:\d\d.*\d{4}")
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_SIGNATURES = ("pkcs7-signature", "x-pkcs7-signature", "pgp-signature", "pgp-encrypted", "pgp-keys")
_PGP = "-----BEGIN PGP MESSAGE-----"


def load_eml(content: bytes, options: LoadOptions, load: LoadMember) -> Document:
    """Return a message: its headers, its text, and its attachments.

    Raises:
        LoadError: If its parts are nested too deeply.
    """
    if _LONG_FIELD.search(content):
        raise LoadError(f"has a header of more than {_LONGEST_FIELD:,} characters")
    try:
        return _Reader(options, load).read(message_from_bytes(content))
    except RecursionError as error:
        raise LoadError("nests its parts too deeply") from error


def load_mbox(content: bytes, options: LoadOptions, load: LoadMember) -> Document:
    """Return the messages of a mailbox, each in a place such as ``message 3``."""
    parts: list[tuple[str, Document]] = []
    for n, message in enumerate(_split(content), 1):
        if options.expired:
            problem = f"messages from {n} on were not read: the time for this file is over"
            parts.append(("", Document("", problems=(problem,), unread=0.5)))
            break
        parts.append((f"message {n}", _load_message(message, options, load)))
    return join_documents(parts)


def _split(content: bytes) -> Iterator[bytes]:
    """Yield the messages, without the lines between them and the marks that protect others."""
    lines = [line for line in _FROM_LINE.finditer(content) if _is_between(content, line)]
    ends = [line.start() for line in lines[1:]] + [len(content)]
    for line, end in zip(lines, ends, strict=True):
        yield _ESCAPED_FROM.sub(rb"\1", content[line.end() : end])


def _is_between(content: bytes, line: re.Match[bytes]) -> bool:
    """Return whether a line that begins with "From " is the first of a message."""
    before = content[max(line.start() - 3, 0) : line.start()]
    return not before or (before.endswith((b"\n\n", b"\n\r\n")) and bool(_TIME.search(line[0])))


def _load_message(content: bytes, options: LoadOptions, load: LoadMember) -> Document:
    try:
        return load_eml(content, options, load)
    except LoadError as error:
        return Document("", problems=(str(error),))


class _Reader:
    """Collects the text and the attachments of a message."""

    def __init__(self, options: LoadOptions, load: LoadMember) -> None:
        self._options = options
        self._load = load
        self._members = Members("attachment", options, load)
        self._bodies: list[Document] = []

    def read(self, message: Message) -> Document:
        for n, part in enumerate(leaves(message)):
            if n >= _MOST_PARTS or self._options.expired:
                self._members.stop("there are too many")
                break
            self._add(part)
        fields = {name: value for name in _FIELDS if (value := field(message, name))}
        return compose(fields, _day(fields.get("Date", "")), self._bodies, self._members)

    def _add(self, part: Part) -> None:
        if part.is_encrypted:
            self._members.fail("text", "is encrypted", part.size)
        elif part.subtype in _SIGNATURES or part.is_inline_image:
            return
        elif part.is_attached:
            self._attach(part)
        elif part.is_text:
            self._add_body(part)
        elif not (part.is_alternative or part.is_related):
            self._attach(part)

    def _add_body(self, part: Part) -> None:
        if part.is_alternative:
            return
        if part.subtype == "html":
            self._bodies.append(html_body(part.content, part.charset, self._load))
        else:
            self._add_text(plain_body(part.content, part.charset))

    def _add_text(self, body: Document) -> None:
        if _PGP in body.text:
            self._members.fail("text", "is encrypted", len(body.text))
        else:
            self._bodies.append(body)

    def _attach(self, part: Part) -> None:
        self._members.add(clean_name(part.name) or "attachment", part.content)


def _day(date: str) -> str:
    try:
        return parsedate_to_datetime(date).date().isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
