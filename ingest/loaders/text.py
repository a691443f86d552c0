"""Plain text, Markdown and reStructuredText."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import zip_longest

from ingest.errors import LoadError
from ingest.loaders.metadata import stated
from ingest.loaders.options import LoadOptions
from ingest.types import Document, Heading, Place

_LINES = (Place(0, line=1),)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = frozenset("áàâãäéêèëíïóôõöúüçñÁÀÂÃÄÉÊÈÍÓÔÕÖÚÜÇÑºª°§«»“”‘’–—…•€£©®\xa0")
_DETECTION_BYTES = 65_536
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")
_MOST_CONTROL = 0.05  # chosen by hand, as are the other limits here

_LONGEST_HEADING = 500
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_NOT_SETEXT = re.compile(r" {4}|\t|\s*(?:[>|#]|[-*+] |\d+[.)] |```|~~~)")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_FRONT_DATE = re.compile(r"^date[ \t]*:(.+)$", re.MULTILINE | re.IGNORECASE)
_ANCHOR = re.compile(r"\s*\{[^{}]*\}\s*$")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_MARKS = re.compile(r"(\*\*|__|\*|`|<[^>]+>)")
_ADORNMENT = re.compile(r"([^\w\s])\1{2,}[ \t]*$")
# A line of plain text that may be a title: it begins with a capital or digit, and has no final
# punctuation and no columns.
_LABEL = re.compile(r"(?=.*[^\W\d_])[A-ZÀ-Þ\d](?!.*(?:\t| {2,}| \|))[^\n]{0,99}(?<![.,;:!?…\s])$")
_BLOCK = re.compile(r"\S.*(?:\n[ \t]*\S.*)*")
_MOST_TITLE_LINES = 2
_NARROWEST_WRAP, _NOT_WRAPPED = 24, 0.7


def load_text(content: bytes, options: LoadOptions) -> Document:
    """Return a plain text file verbatim, with its title and section headings.

    Raises:
        LoadError: If the file is binary.
    """
    text = decode(content)
    headings = tuple(_plain_headings(text))
    return Document(text, _LINES, headings, stated(_first_title(headings), ""))


def load_markdown(content: bytes, options: LoadOptions) -> Document:
    """Return a Markdown file verbatim, with its headings and its title."""
    text = decode(content)
    front = _FRONT_MATTER.match(text)
    headings = tuple(_markdown_headings(text, front.end() if front else 0))
    stated_ones = front[1] or "" if front else ""
    title, changed = _FRONT_TITLE.search(stated_ones), _FRONT_DATE.search(stated_ones)
    name = title[1].strip("'\"") if title else _first_title(headings)
    return Document(text, _LINES, headings, stated(name, changed[1] if changed else ""))


def load_rst(content: bytes, options: LoadOptions) -> Document:
    """Return a reStructuredText file verbatim, with its section titles."""
    text = decode(content)
    headings = tuple(_rst_headings(text))
    return Document(text, _LINES, headings, stated(_first_title(headings), ""))


def decode(content: bytes, declared: str | None = None) -> str:
    """Return ``content`` decoded, with line feeds only; raises LoadError if it is binary.

    It is decoded as UTF-8 if it is valid, else as declared, else as the most likely encoding.
    """
    text = _decode_marked(content)
    if text is None and b"\0" in content:
        raise LoadError("is not text: it holds NUL bytes, like a binary file")
    if text is None:
        text = _decode_unmarked(content, declared)
    if len(_CONTROL.findall(text)) > len(text) * _MOST_CONTROL:
        raise LoadError("is not text: it is full of control characters, like a binary file")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _decode_marked(content: bytes) -> str | None:
    """Return the text decoded by its byte order mark; None without one."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    return None


def _decode_unmarked(content: bytes, declared: str | None) -> str:
    for encoding in ("utf-8", declared):
        if encoding and (text := _try_decode(content, encoding)) is not None:
            return text
    western = _try_decode(content, "cp1252")
    if western is not None and _looks_western(western):
        return western
    return _decode_guessed(content)


def _try_decode(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
        text.encode()
    except (UnicodeError, LookupError, ValueError):
        return None
    return text


def _looks_western(text: str) -> bool:
    """Return whether most letters beyond ASCII are of Portuguese and its neighbours."""
    foreign = [character for character in text if not character.isascii()]
    return sum(character in _WESTERN for character in foreign) >= 0.9 * len(foreign)


def _decode_guessed(content: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_DETECTION_BYTES]).best()
    if best is None:
        raise LoadError("is not text: no character encoding fits it")
    return content.decode(best.encoding, errors="replace")


def _first_title(headings: tuple[Heading, ...]) -> str:
    return next((heading.title for heading in headings if heading.level == 1), "")


def _plain_headings(text: str) -> Iterator[Heading]:
    """Yield the title, a block of one or two lines at the top, and single lines above a section."""
    blocks = [
        (match.start(), [line.strip() for line in match[0].splitlines()])
        for match in _BLOCK.finditer(text)
    ]
    if len(blocks) > 1 and len(blocks[0][1]) <= _MOST_TITLE_LINES:
        start, lines = blocks.pop(0)
        if all(map(_LABEL.match, lines)):
            yield Heading(start, 1, " ".join(lines))
    for (start, (line, *rest)), (_, after) in zip_longest(blocks, blocks[1:], fillvalue=(0, [""])):
        following = rest[0] if rest else after[0]
        is_wrapped = len(line) > max([_NARROWEST_WRAP, *(_NOT_WRAPPED * len(one) for one in rest)])
        may_open = following and not following[0].islower() and not _LABEL.match(following)
        if _LABEL.match(line) and may_open and not (rest and is_wrapped):
            yield Heading(start, 2, line)


def _markdown_headings(text: str, start: int) -> Iterator[Heading]:
    """Yield ATX and setext headings outside code fences, after the offset ``start``."""
    fence = ""
    before, previous, offset = "", "", start
    for line in text[start:].split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip(" \t" + fence[0]):
                fence = ""
            line_text = ""
        elif mark:
            fence, line_text = mark[1], ""
        else:
            line_text = line[:_LONGEST_HEADING]
            yield from _markdown_heading(line, previous, before, offset)
        before, previous = previous, line_text
        offset += len(line) + 1


def _markdown_heading(line: str, previous: str, before: str, offset: int) -> Iterator[Heading]:
    if len(line) > _LONGEST_HEADING:
        return
    if atx := _ATX.match(line):
        start = offset + atx.start(1)
        level, title = len(atx[1]), _plain(atx[2] or "")
    elif (setext := _SETEXT.match(line)) and _may_be_title(previous, before):
        start = offset - len(previous) - 1 + len(previous) - len(previous.lstrip())
        level, title = 1 if setext[1][0] == "=" else 2, _plain(previous)
    else:
        return
    if title:
        yield Heading(start, level, title)


def _may_be_title(line: str, before: str) -> bool:
    if len(line) >= _LONGEST_HEADING:
        return False
    return bool(line.strip()) and not before.strip() and not _NOT_SETEXT.match(line)


def _plain(title: str) -> str:
    """Return a heading without Markdown: emphasis, links and a trailing ``{#anchor}``."""
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", _ANCHOR.sub("", title))).split())


def _rst_headings(text: str) -> Iterator[Heading]:
    """Yield underlined titles; their levels follow the order in which adornments first appear."""
    levels: list[str] = []
    lines = text.split("\n")
    offset = 0
    for i, line in enumerate(lines[:-1]):
        if _is_rst_title(line, lines[i + 1]):
            overlined = i > 0 and lines[i - 1].strip() == lines[i + 1].strip()
            adornment = lines[i + 1][0] * (1 + overlined)
            if adornment not in levels:
                levels.append(adornment)
            start = offset - overlined * (len(lines[i - 1]) + 1)
            yield Heading(start, levels.index(adornment) + 1, line.strip().replace("`", ""))
        offset += len(line) + 1


def _is_rst_title(line: str, underline: str) -> bool:
    return bool(
        _ADORNMENT.match(underline)
        and line.strip()
        and not _ADORNMENT.match(line)
        and len(underline.rstrip()) >= len(line.rstrip())
    )
