"""JSON, YAML and XML: the lines of the file itself, with their escaped letters as letters."""

from __future__ import annotations

import re
from collections.abc import Callable

from ingest.loaders.encodings import Decoded, decode_noted
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.text import verbatim
from ingest.types import Document

_DECLARATION = re.compile(rb"\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})")
# An escape after an odd number of backslashes, or two for a character beyond the basic plane.
_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}));")
_FIRST_LETTER = 0xA1  # below are ASCII and controls, whose escapes mean something


def load_json(content: bytes, options: LoadOptions) -> Document:
    r"""Return JSON verbatim, but with ``ã`` for ``\u00e3``."""
    return _load(decode_noted(content), _without_escapes)


def load_jsonl(content: bytes, options: LoadOptions) -> Document:
    """Return lines of JSON; see :func:`load_json`."""
    return load_json(content, options)


def load_yaml(content: bytes, options: LoadOptions) -> Document:
    """Return YAML; see :func:`load_json`."""
    return load_json(content, options)


def load_xml(content: bytes, options: LoadOptions) -> Document:
    """Return XML verbatim, but with ``ã`` for ``&#227;``; no entity is expanded."""
    declared = _DECLARATION.match(content)
    decoded = decode_noted(content, declared[1].decode() if declared else None)
    return _load(decoded, _without_references)


def _load(decoded: Decoded, unescape: Callable[[str], str]) -> Document:
    return verbatim(decoded._replace(text=unescape(decoded.text)))


def _without_escapes(text: str) -> str:
    return _ESCAPE.sub(lambda match: match[1] + _letters(match[2]), text)


def _letters(escapes: str) -> str:
    r"""Return escapes such as ``\u00e3`` as letters; those that mean no letter stay."""
    codes = [int(code, 16) for code in escapes.split("\\u")[1:]]
    text = b"".join(code.to_bytes(2, "big") for code in codes).decode("utf-16-be", "replace")
    is_text = "\ufffd" not in text and all(map(_is_letter, text))
    return text if is_text else escapes


def _without_references(text: str) -> str:
    def letter(match: re.Match[str]) -> str:
        code = int(match[1], 16) if match[1] else int(match[2])
        is_valid = code < 0xD800 or 0xDFFF < code <= 0x10FFFF
        return chr(code) if is_valid and _is_letter(chr(code)) else match[0]

    return _REFERENCE.sub(letter, text)


def _is_letter(character: str) -> bool:
    return ord(character) >= _FIRST_LETTER and character.isprintable()
