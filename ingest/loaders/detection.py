"""Tell the kind of a file by its content first and its name second."""

from __future__ import annotations

import io
import re
import zipfile

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.file_names import kind_of_name
from ingest.loaders.signatures import foreign_kind, signed_kind
from ingest.loaders.text import decode

_HEAD = 1024  # bytes of a PDF before its header, as its readers allow
_TEXT_HEAD = 65_536  # chosen by hand
_VERBATIM = frozenset("text markdown rst code csv tsv json jsonl yaml xml html srt vtt".split())
_ZIPPED = frozenset("docx pptx xlsx xlsb odt odp ods epub".split())
# What files are that have the name of an old binary format and hold text.
_AS_TEXT = {"doc": "text", "xls": "csv", "msg": "text"}

_OFFICE_PARTS = re.compile(
    r"(?P<docx>word/document\d*\.xml)|(?P<pptx>ppt/presentation\d*\.xml)"
    r"|(?P<xlsx>xl/workbook\d*\.xml)|(?P<xlsb>xl/workbook\d*\.bin)"
    r"|(?P<iwork>index/document\.iwa|index\.zip)|(?P<visio>visio/document\.xml)",
    re.IGNORECASE,
)
_MEDIA_TYPES = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}
_OLE_STREAMS = {
    "WordDocument": "doc",
    "Workbook": "xls",
    "Book": "xls",
    "PowerPoint Document": "ppt",
    "__properties_version1.0": "msg",
}

_HTML = re.compile(r"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_XML = re.compile(r"\s*<\?xml\s")
_FIELD = re.compile(r"([!-9;-~]+):(?:[ \t].*)?(?:\n[ \t].*)*(?:\n|\Z)")
# Headers of which a program writes one at least, and a person who types a memo none.
_MACHINE_FIELDS = frozenset(
    "message-id mime-version received return-path content-type delivered-to dkim-signature "
    "content-transfer-encoding x-mailer".split()
)
_FIELDS = _MACHINE_FIELDS | set("from to cc bcc date subject reply-to sender in-reply-to".split())
_MBOX = re.compile(r"From \S.{0,200}\d\d:\d\d.{0,40}\d{4}.{0,40}\n")


def detect(source: str, content: bytes) -> str:
    """Return the kind of a file, such as ``pdf``.

    Bytes that only one format begins with decide, then the name, then what the text looks like.

    Raises:
        UnsupportedError: If files of this kind are not read.
        LoadError: If it is encrypted as a whole.
    """
    named = kind_of_name(source)
    kind = _binary_kind(named, content)
    if kind is None and named in _VERBATIM - {"text", "xml", "json"}:
        return named
    return kind or _text_kind(named, content)


def _binary_kind(named: str, content: bytes) -> str | None:
    if content.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return _zip_kind(named, content)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(named, content)
    if kind := signed_kind(content):
        return kind
    if what := foreign_kind(content):
        raise UnsupportedError(f"is {what}, which is not read")
    return "pdf" if _is_pdf(named, content) else None


def _is_pdf(named: str, content: bytes) -> bool:
    """A text about PDF may hold its header, but does not begin with it."""
    at = content.find(b"%PDF-", 0, _HEAD)
    return at >= 0 and (named not in _VERBATIM or not content[:at].strip(b"\xef\xbb\xbf\0 \t\r\n"))


def _zip_kind(named: str, content: bytes) -> str:
    """Return the kind of a ZIP file by its parts, by its name if they don't tell it."""
    unknown = named if named in _ZIPPED else "zip"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name.replace("\\", "/").lstrip("/") for name in archive.namelist()]
            media_type = archive.open("mimetype").read(100) if "mimetype" in names else b""
    except Exception:  # zipfile raises anything on damaged files; the loader will say so
        return unknown
    if kind := _MEDIA_TYPES.get(media_type.decode("latin-1").strip().removesuffix("-template")):
        return kind
    if media_type.startswith(b"application/vnd.oasis.opendocument."):
        raise UnsupportedError("is an OpenDocument file of a kind that is not read")
    found = next(filter(None, map(_OFFICE_PARTS.fullmatch, names)), None)
    kind = found.lastgroup if found else None
    if kind in ("iwork", "visio"):
        raise UnsupportedError("is an iWork or Visio document, which is not read")
    return kind or unknown


def _ole_kind(named: str, content: bytes) -> str:
    """Return the kind of an OLE2 file, as Office wrote until 2003, by its streams."""
    from olefile import OleFileIO

    try:
        with OleFileIO(io.BytesIO(content)) as ole:
            names = {node.name for node in ole.root.kids}
    except Exception as error:  # olefile raises anything on damaged files
        if named == "other":
            raise LoadError("is a damaged Office file") from error
        return named
    if "EncryptedPackage" in names:
        raise LoadError("is encrypted: save it without a password")
    if kind := next((kind for name, kind in _OLE_STREAMS.items() if name in names), None):
        return kind
    raise UnsupportedError("is an old Office file of a kind that is not read")


def _text_kind(named: str, content: bytes) -> str:
    """Return the kind of a text, or of anything else that no bytes tell."""
    head = _head(content)
    if kind := _looks_like(named, head, content):
        return kind
    if named == "other" or (named in _AS_TEXT and _is_text(content)):
        return _AS_TEXT.get(named) or _plain_kind(head, content)
    return named


def _looks_like(named: str, head: str, content: bytes) -> str | None:
    if named == "json":
        return "ipynb" if _is_notebook(content) else None
    if _HTML.match(head):
        return "html"
    if named == "xml" or _XML.match(head):
        return "xml"
    if named in ("eml", "mbox"):
        return None
    if (line := _MBOX.match(head)) and _is_mail(head[line.end() :]):
        return "mbox"
    return "eml" if _is_mail(head) else None


def _plain_kind(head: str, content: bytes) -> str:
    if not _is_text(content):
        raise UnsupportedError("is binary data of a kind that is not read")
    if _is_notebook(content):
        return "ipynb"
    return "code" if head.startswith("#!") else "text"


def _is_text(content: bytes) -> bool:
    try:
        decode(content[:_TEXT_HEAD])
    except LoadError:
        return False
    return True


def _is_notebook(content: bytes) -> bool:
    opens = content[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return opens and b'"nbformat"' in content and b'"cells"' in content


def _is_mail(head: str) -> bool:
    """Return whether a text begins with headers of a message as programs write them."""
    names = set()
    at = 0
    while field := _FIELD.match(head, at):
        names.add(field[1].lower())
        at = field.end()
    return len(names & _FIELDS) >= 3 and not names.isdisjoint(_MACHINE_FIELDS)


def _head(content: bytes) -> str:
    """Return the first characters, enough of them to tell formats of text apart."""
    head = content[:_TEXT_HEAD]
    marked = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if marked else "latin-1", errors="replace")
    return text.removeprefix("\xef\xbb\xbf").replace("\r\n", "\n").replace("\r", "\n")
