"""Plain text, Markdown, reStructuredText and source code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from ingest.loaders.encodings import Decoded, decode_noted
from ingest.loaders.encodings import decode as decode
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.types import Document, Heading, Place

_LINES = (Place(0, line=1),)
_NOTHING: Mapping[str, str] = {}
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
    decoded = decode_noted(content)
    headings = tuple(_plain_headings(decoded.text))
    return verbatim(decoded, headings, stated(_first_title(headings), ""))


def load_code(content: bytes, options: LoadOptions) -> Document:
    """Return source code verbatim."""
    return verbatim(decode_noted(content))


def load_markdown(content: bytes, options: LoadOptions) -> Document:
    """Return a Markdown file verbatim, with its headings and its title."""
    decoded = decode_noted(content)
    text = decoded.text
    front = _FRONT_MATTER.match(text)
    headings = tuple(markdown_headings(text, front.end() if front else 0))
    stated_ones = front[1] or "" if front else ""
    title, changed = _FRONT_TITLE.search(stated_ones), _FRONT_DATE.search(stated_ones)
    name = title[1].strip("'\"") if title else _first_title(headings)
    return verbatim(decoded, headings, stated(name, changed[1] if changed else ""))


def load_rst(content: bytes, options: LoadOptions) -> Document:
    """Return a reStructuredText file verbatim, with its section titles."""
    decoded = decode_noted(content)
    headings = tuple(_rst_headings(decoded.text))
    return verbatim(decoded, headings, stated(_first_title(headings), ""))


def verbatim(
    decoded: Decoded, headings: tuple[Heading, ...] = (), facts: Mapping[str, str] = _NOTHING
) -> Document:
    """Return the document of a text that is the file itself."""
    return Document(decoded.text, _LINES, headings, {**facts, **decoded.metadata}, decoded.problems)


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


def markdown_headings(text: str, start: int = 0) -> Iterator[Heading]:
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
