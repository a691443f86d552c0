"""The parts of a MIME message (RFC 2045 and 2046), read without recursion."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from functools import cached_property
from typing import Any

from ingest.loaders.mail_text import decode_text
from ingest.loaders.signed_data import signed_content

_LONGEST_VALUE = 5_000  # characters of a header that are shown; chosen by hand
_SEALED = ("pkcs7-mime", "x-pkcs7-mime")
_BAD_PARAMETERS = (ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True)
class Part:
    """A part that holds no others.

    Attributes:
        message: The part as parsed.
        is_alternative: Whether another part says the same and is read instead.
        is_related: Whether it belongs to a page, as its images do.
    """

    message: Message
    is_alternative: bool
    is_related: bool

    @cached_property
    def content_type(self) -> str:
        """Its type, such as ``text/plain``."""
        return self.message.get_content_type()

    @property
    def subtype(self) -> str:
        """The second half of its type."""
        return self.content_type.rpartition("/")[2]

    @property
    def is_multipart(self) -> bool:
        """Whether it is of a type that holds parts."""
        return self.content_type.startswith("multipart/")

    @property
    def charset(self) -> str | None:
        """The encoding that it declares."""
        try:
            return self.message.get_content_charset()
        except _BAD_PARAMETERS:
            return None

    @cached_property
    def name(self) -> str:
        """The name of the file; for a message its subject; empty without one."""
        try:
            name = _decoded(self.message.get_filename() or "")
        except _BAD_PARAMETERS:
            name = ""
        if not name and self.content_type == "message/rfc822":
            inner = self._messages
            subject = field(inner[0], "Subject") if inner else ""
            return f"{(subject or 'message').replace('/', ' ')[:80]}.eml"
        return name

    @cached_property
    def content(self) -> bytes:
        """Its bytes; those of the message if it is one."""
        if inner := self._messages:
            return b"\n".join(_bytes_of(one) for one in inner)
        sent: Any = self.message.get_payload()
        payload: Any = self.message.get_payload(decode=True)
        if str(self.message.get("content-transfer-encoding")).strip().lower() == "base64":
            return _undamaged(sent, payload)
        return payload if isinstance(payload, bytes) else b""

    @property
    def size(self) -> int:
        """Its size as it was sent."""
        payload: Any = self.message.get_payload()
        return len(payload) if isinstance(payload, str) else 1

    @property
    def is_text(self) -> bool:
        """Whether it is of a type that a message shows; parts without a boundary are as well."""
        return self.content_type in ("text/plain", "text/html") or self.is_multipart

    @property
    def is_attached(self) -> bool:
        """Whether it is a file rather than text of the message."""
        return self.message.get_content_disposition() == "attachment" or bool(self.name)

    @property
    def is_inline_image(self) -> bool:
        """Whether it is an image of the text, such as a logo."""
        if not self.content_type.startswith("image/"):
            return False
        disposition = self.message.get_content_disposition()
        return disposition == "inline" or (self.is_related and disposition != "attachment")

    @property
    def is_encrypted(self) -> bool:
        """Whether its text can't be read without a key."""
        if self.content_type == "multipart/encrypted":
            return True
        return self.subtype in _SEALED and not self.signed

    @property
    def signed(self) -> bytes:
        """The message in a part that is signed as a whole; empty if it is none."""
        return signed_content(self.content) if self.subtype in _SEALED else b""

    @property
    def _messages(self) -> list[Message]:
        payload: Any = self.message.get_payload()
        return payload if isinstance(payload, list) else []


def leaves(message: Message) -> Iterator[Part]:
    """Yield the parts that hold no others, in order; an encrypted one counts as such."""
    stack = [Part(message, False, False)]
    while stack:
        part = stack.pop()
        payload: Any = part.message.get_payload()
        if signed := part.signed:
            payload = [message_from_bytes(signed)]
        elif part.is_encrypted or not part.is_multipart or not isinstance(payload, list):
            yield part
            continue
        chosen = set(map(id, _chosen(part, payload)))
        is_related = part.is_related or part.subtype == "related"
        stack += (
            Part(one, part.is_alternative or id(one) not in chosen, is_related)
            for one in reversed(payload)
        )


def field(message: Message, name: str) -> str:
    """Return the text of the first header of a name; empty without one."""
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            return _decoded(str(value))
    return ""


def _chosen(part: Part, parts: list[Message]) -> list[Message]:
    """Return the parts that are read: of alternatives plain text, or else the last, the richest."""
    if part.subtype != "alternative":
        return parts
    known = [Part(one, False, False) for one in parts]
    plain = [one for one in known if one.content_type == "text/plain" and one.content.strip()]
    rich = [one for one in known if one.is_multipart or one.content_type == "text/html"]
    return [one.message for one in plain[:1] or rich[-1:]]


def _undamaged(sent: Any, payload: Any) -> bytes:
    """Return what is decoded, or the part before the cut if the decoder gave up."""
    packed = "".join(sent.split()).encode(errors="replace")
    if payload != packed:
        return payload if isinstance(payload, bytes) else b""
    try:
        return base64.b64decode(packed[: len(packed) // 4 * 4])
    except ValueError:
        return b""


def _bytes_of(message: Message) -> bytes:
    try:
        return message.as_bytes()
    except (ValueError, LookupError, TypeError, AttributeError):
        return str(message.get_payload()).encode(errors="replace")


def _decoded(value: str) -> str:
    """Return a header as text on one line (RFC 2047, or bytes as they are)."""
    plain = decode_text(value[:_LONGEST_VALUE].encode(errors="surrogateescape"))
    line = " ".join(plain.split())
    try:
        words = decode_header(line)
    except (HeaderParseError, ValueError):
        return line
    texts = [one if isinstance(one, str) else decode_text(one, charset) for one, charset in words]
    return " ".join("".join(texts).split()) or line
