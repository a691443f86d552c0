"""Where the sentences of a text are, in English and Portuguese.

A line break inside a wrapped paragraph does not end a sentence; one before a list item, around a
table row or heading, or after a line that stops short of the wrap width does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

Span = tuple[int, int]

_NARROWEST_WRAP = 24
_FULL = 0.8
_FULL_BEFORE_LOWERCASE = 0.5
_NEIGHBOURS = 4

_LINE = re.compile(r"\S[^\n\r\f\v\x85\u2028\u2029]*")
_FENCE = re.compile(r"(`{3,}|~{3,})")
_ITEM = re.compile(
    r"(?:[-*+•‣▪◦●○■□☐☑☒✓✔–—·]|\(?\d{1,3}[.)]|\([A-Za-z]{1,4}\)|[A-Za-z]\)|[ivx]{1,4}[.)])\s+\S"
)
_TITLE = re.compile(r"#{1,6}\s")
_NUMBER = r"[(\-−+]?(?:[$€£]|R\$|US\$)?\d[\d.,]*(?<![.,])[%)]*"
_ROW = re.compile(
    rf".*\s\|(?:\s|$)|\|.*\||[{{\[<].*[}}\]>],?$|.*\t|.*\S {{3,}}\S"
    rf"|.*(?<!\S){_NUMBER}(?:\s+[$€£—–-])*\s+{_NUMBER}$"
)
_RULE = re.compile(r"[\W_]*$")

_END = re.compile(r"""(?<![.!?…])[.!?…]+(?:[ ]?\[\d+\]|["'”’»)\]*_`])*(?=\s)|[。！？]+[」』）]?""")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘«*_`]*$")
_WORD_AFTER = re.compile(r"[^\W\d_]+")
_LABEL = re.compile(r"(?:[^\W\d_]+\s)?(?:\d{1,3}(?:\.\d+)*|[A-Za-z]|[IVXivx]{1,4})$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]$")

_NEVER_LAST = frozenset(
    "dr dra drs mr mrs ms mx prof profa sr sra srs sras srta jr gen col capt lt sgt rev hon st mt "
    "messrs eng engª av exmo exma ilmo ilma vs viz cf ca approx aprox e.g i.e p.ex ex obs v.g "
    "séc tel incl resp pe fr msgr mons sto sta sen gov rep pres maj cel brig".split()
)
_BEFORE_NUMBER = frozenset(
    "no nos nº nro núm num art arts p pp pg pág págs fig figs eq eqs sec sect secs vol ch chap cap "
    "caps tab ed inc par parág al jan feb fev mar apr abr jun jul aug ago sep sept set oct out nov "
    "dec dez ref refs op opp nr fl fls ap apt bl cl".split()
)
_MAYBE_LAST = frozenset("etc inc ltd ltda corp co cia bros univ dept depto ph.d phd s.a".split())
_STARTERS = frozenset(
    "the this that these those a an in on at by for from to with as it its he she we they i you "
    "there here when while if but and or so however although after before since during our their "
    "his her what how why who where which some many most all each both no not yes o os um uma uns "
    "umas em no na nos nas de do da dos das por para com como ele ela eles elas eu nós este esta "
    "esse essa isso isto aquele aquela quando enquanto se mas e ou porém também já não sim há "
    "são foi será seu sua depois antes desde durante segundo entre cada todos alguns".split()
)


class _Line(NamedTuple):
    start: int
    end: int
    after_blank: bool


def split_sentences(text: str) -> list[Span]:
    """Return the spans of the sentences of ``text``, in order.

    List items, table rows, headings and fenced code are sentences of their own. Spans don't
    overlap, have no outer whitespace and together hold every character that is not whitespace.
    """
    return [span for block in split_blocks(text) for span in split_block(text, block)]


def split_blocks(text: str) -> list[Span]:
    """Return runs of lines that are a paragraph, or one list item, row, heading or code block."""
    lines = _join_fences(text, _lines(text))
    widths = [line.end - line.start for line in lines]
    blocks: list[Span] = []
    start = 0
    for i, line in enumerate(lines):
        if i + 1 == len(lines) or _ends_block(text, line, lines[i + 1], _width(widths, i)):
            blocks.append((lines[start].start, line.end))
            start = i + 1
    return blocks


def split_block(text: str, block: Span) -> Iterator[Span]:
    """Yield the sentences of one block."""
    start, end = block
    if _FENCE.match(text, start, end) or _TITLE.match(text, start, end):
        yield block
        return
    for match in _END.finditer(text, start, end):
        after = _next_visible(text, match.end(), end)
        if after < end and _ends_sentence(text, start, match, after):
            yield start, match.end()
            start = after
    yield start, end


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    end = 0
    for match in _LINE.finditer(text):
        start = match.start()
        after_blank = not lines or _is_blank_between(text, end, start)
        end = start + len(match.group().rstrip())
        lines.append(_Line(start, end, after_blank))
    return lines


def _is_blank_between(text: str, end: int, start: int) -> bool:
    gap = text[end:start]
    return gap.count("\n") > 1 or gap.count("\r") > 1 or "\f" in gap


def _join_fences(text: str, lines: list[_Line]) -> list[_Line]:
    """Make each fenced code block one line; a fence that is never closed is no fence."""
    if "```" not in text and "~~~" not in text:
        return lines
    joined: list[_Line] = []
    never_closed: set[str] = set()
    i = 0
    while i < len(lines):
        close = i
        fence = _FENCE.match(text, lines[i].start, lines[i].end)
        if fence and fence[0] not in never_closed:
            close = _closing_line(text, lines, i, fence[0])
            if close == i:
                never_closed.add(fence[0])
        joined.append(lines[i]._replace(end=lines[close].end))
        i = close + 1
    return joined


def _closing_line(text: str, lines: list[_Line], i: int, fence: str) -> int:
    """Return the line that closes the fence of line ``i``; ``i`` itself if none does."""
    for j in range(i + 1, len(lines)):
        line = text[lines[j].start : lines[j].end]
        if line.startswith(fence) and not line.strip(fence[0]):
            return j
    return i


def _width(widths: list[int], i: int) -> int:
    """Return the wrap width around a line: the longest line nearby."""
    return max(widths[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS + 2])


def _ends_block(text: str, line: _Line, following: _Line, width: int) -> bool:
    """Return whether the break between two lines ends a sentence, whatever the words."""
    if following.after_blank:
        return True
    if _RULE.match(text, following.start, following.end):
        return False
    if _stands_alone(text, line) or _stands_alone(text, following):
        return True
    if _ITEM.match(text, following.start, following.end):
        return True
    return not _is_wrapped(text, line, following, width)


def _stands_alone(text: str, line: _Line) -> bool:
    first = text[line.start]
    if first in "`~" and _FENCE.match(text, line.start, line.end):
        return True
    if first == "#" and _TITLE.match(text, line.start, line.end):
        return True
    return _ROW.match(text, line.start, line.end) is not None


def _is_wrapped(text: str, line: _Line, following: _Line, width: int) -> bool:
    """Return whether the next line's first word would not have fitted on this line."""
    if width < _NARROWEST_WRAP:
        return False
    first_word = text[following.start : following.end].split(maxsplit=1)[0]
    used = line.end - line.start + 1 + len(first_word)
    continues = first_word[0].islower() or text[line.end - 1] in ",("
    return used >= width * (_FULL_BEFORE_LOWERCASE if continues else _FULL)


def _next_visible(text: str, i: int, end: int) -> int:
    while i < end and text[i].isspace():
        i += 1
    return i


def _ends_sentence(text: str, start: int, match: re.Match[str], after: int) -> bool:
    if match[0][0] in "。！？":
        return True
    if text[after].islower():
        return False
    if match[0][0] != "." or match[0].startswith(".."):
        return True
    return not _is_abbreviation(text, start, match.start(), after)


def _is_abbreviation(text: str, start: int, dot: int, after: int) -> bool:
    """Return whether the dot belongs to an abbreviation, an initial or a list number."""
    if dot - start < 24 and _LABEL.match(text, start, dot):
        return True
    before = _WORD_BEFORE.search(text, max(start, dot - 40), dot)
    word = before[0] if before else ""
    lowered = word.lower()
    if lowered in _NEVER_LAST:
        return True
    if lowered in _BEFORE_NUMBER and (text[after].isdigit() or text[after] in "([§"):
        return True
    if lowered in _MAYBE_LAST or _INITIALS.match(word):
        return not _starts_sentence(text, after)
    return False


def _starts_sentence(text: str, start: int) -> bool:
    word = _WORD_AFTER.match(text, start)
    return word is not None and word[0].lower() in _STARTERS
