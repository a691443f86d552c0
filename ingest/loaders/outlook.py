"""Messages of Outlook, [MS-OXMSG]."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime, timedelta
from email.parser import HeaderParser

from olefile import OleFileIO
from oxmsg.domain import constants as ids
from oxmsg.domain.encodings import encoding_from_codepage
from oxmsg.domain.model import UnrecognizedCodePageError, UnsupportedEncodingError
from oxmsg.storage import Storage

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadMember, LoadOptions
from ingest.loaders.mail_parts import field
from ingest.loaders.mail_text import compose, decode_text, html_body
from ingest.loaders.members import Members, clean_name
from ingest.types import Document

_MOST_ATTACHMENTS = 1_000  # chosen by hand
_EMBEDDED = "__substg1.0_3701000D"
_TABLE = "__properties_version1.0"
# Bytes before the table of properties.
_MESSAGE, _EMBEDDED_MESSAGE, _ATTACHMENT = 32, 24, 8
_TOO_DEEP = "lies too deep in other files (RAG_MAX_NESTING)"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class _Item:
    """A message or an attachment: properties by number, each lost alone when it is damaged."""

    def __init__(self, storage: Storage, header: int) -> None:
        self.storage = storage
        self._streams = {stream.name: stream.bytes_ for stream in storage.streams}
        table = self._streams.get(_TABLE, b"")[header:]
        rows = struct.iter_unpack("<2xH4xQ", table[: len(table) // 16 * 16])
        self._numbers: dict[int, int] = dict(rows)

    def text(self, name: int) -> str:
        """Return a text, one line ending as another; empty if there is none."""
        data = self._streams.get(f"__substg1.0_{name:04X}001F")
        if data is not None:
            text = data.decode("utf-16-le", errors="replace")
        else:
            text = decode_text(self._streams.get(f"__substg1.0_{name:04X}001E", b""), self.charset)
        return text.replace("\r\n", "\n").strip("\0\n")

    def content(self, name: int) -> bytes | None:
        """Return bytes; None if there are none."""
        return self._streams.get(f"__substg1.0_{name:04X}0102")

    @property
    def charset(self) -> str | None:
        """The encoding of texts that are not in UTF-16."""
        for name in (ids.PID_INTERNET_CODEPAGE, ids.PID_MESSAGE_CODEPAGE):
            try:
                return encoding_from_codepage(self._numbers[name] & 0xFFFF)
            except (LookupError, UnrecognizedCodePageError, UnsupportedEncodingError):
                continue
        return None

    @property
    def day(self) -> str:
        """The day on which it was sent, ISO 8601; empty if unknown."""
        ticks = self._numbers.get(ids.PID_CLIENT_SUBMIT_TIME, 0)
        try:
            return (_EPOCH + timedelta(microseconds=ticks // 10)).date().isoformat() * bool(ticks)
        except OverflowError:
            return ""


def load_msg(content: bytes, options: LoadOptions, load: LoadMember) -> Document:
    """Return a message: its headers, its text, and its attachments.

    Raises:
        LoadError: If its attachments are nested too deeply.
    """
    try:
        with OleFileIO(io.BytesIO(content)) as file:
            storage = Storage.from_ole(file)
    except RecursionError as error:
        raise LoadError("nests its parts too deeply") from error
    return _read(_Item(storage, _MESSAGE), options, load)


def _read(message: _Item, options: LoadOptions, load: LoadMember) -> Document:
    members = Members("attachment", options, load)
    bodies = _bodies(message, members, load)
    for n, storage in enumerate(message.storage.iter_attachment_storages()):
        if n >= _MOST_ATTACHMENTS or options.expired:
            members.stop("there are too many")
            break
        _attach(_Item(storage, _ATTACHMENT), members, options, load)
    return compose(_fields(message), message.day, bodies, members)


def _fields(message: _Item) -> dict[str, str]:
    """Return the headers as they were sent, or else as Outlook keeps them."""
    headers = HeaderParser().parsestr(message.text(ids.PID_TRANSPORT_MESSAGE_HEADERS))
    own = {
        "From": message.text(ids.PID_SENDER_NAME),
        "To": message.text(ids.PID_DISPLAY_TO),
        "Cc": message.text(ids.PID_DISPLAY_CC),
        "Date": message.day,
        "Subject": message.text(ids.PID_SUBJECT),
    }
    shown = {name: field(headers, name) or " ".join(value.split()) for name, value in own.items()}
    return {name: value for name, value in shown.items() if value}


def _bodies(message: _Item, members: Members, load: LoadMember) -> list[Document]:
    if (text := message.text(ids.PID_BODY)).strip():
        return [Document(text)]
    if page := message.content(ids.PID_HTML):
        return [html_body(page, message.charset, load)]
    if page_text := message.text(ids.PID_HTML):
        return [html_body(page_text.encode(errors="replace"), "utf-8", load)]
    if packed := message.content(ids.PID_RTF_COMPRESSED):
        members.fail("text", "is kept as compressed RTF only, which is not read", len(packed))
    return []


def _attach(item: _Item, members: Members, options: LoadOptions, load: LoadMember) -> None:
    embedded = next((one for one in item.storage.storages if one.name == _EMBEDDED), None)
    name = clean_name(_name(item)) or "attachment"
    content = item.content(ids.PID_ATTACH_DATA_BINARY)
    if embedded and options.depth <= 1:
        members.fail(name, _TOO_DEEP)
    elif embedded:
        message = _Item(embedded, _EMBEDDED_MESSAGE)
        members.add_document(name, _read(message, options.inside(), load))
    elif content is None:
        members.fail(name, "is not in the message, or damaged")
    elif not _is_logo(item):
        members.add(name, content)


def _name(item: _Item) -> str:
    names = (ids.PID_ATTACH_LONG_FILENAME, ids.PID_ATTACH_FILENAME, ids.PID_DISPLAY_NAME)
    return next(filter(None, map(item.text, names)), "")


def _is_logo(item: _Item) -> bool:
    """Return whether it is an image of the HTML text."""
    kind = item.text(ids.PID_ATTACH_MIME_TAG)
    return kind.startswith("image/") and bool(item.text(ids.PID_ATTACH_CONTENT_ID))
