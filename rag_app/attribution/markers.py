"""Read the citation markers of a chat model's answer, in the styles that models write them.

``[n]`` is what the prompts ask for. Models also write ``[1, 2]``, ``[1-3]``, ``[[1]]``,
``【1†source】``, ``[^1]``, ``(Source 1)``, ``[Document 1]``, ``[1, mill.md]``, ``[mill.md]``,
links, superscripts, and any of these bold, as code or in parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from rag_app.attribution.quotes import MARKER
from rag_app.types import ScoredChunk

_LABEL = (
    r"(?:sources?|docs?|documents?|refs?|references?|citations?|cite|context|passages?|chunks?|"
    r"texts?|excerpts?|fontes?|documentos?|trechos?|textos?|refer[eê]ncias?|cita[cç][aã]o|contexto)"
)
_NOUN = r"(?:document|source|passage|excerpt|documento|fonte|trecho)s?"
_AND = r"\s*(?:[,;]\s*)?(?:[,;&–—-]|\b(?:and|to|or|e|a|ou)\b)\s*"
_NUMBERS = rf"#?\d+(?:{_AND}(?:{_LABEL}\s)?#?\d+)*"
# What may follow a number: a file, a page, a line, "source".
_DETAIL = (
    r"(?:[†,:;|](?=[^\[\]()\n]{0,120}(?:\.[a-z]\w{1,4}\b|source|pages?\b|p\.|p[áa]g|lin(?:es?|has?)\b"
    r"|L\d))[^\[\]()\n]{1,120})?"
)
_BEGIN = (
    rf"(?:(?:(?:\\?[\[［]){{1,2}}|【)\s*(?:\^|{_LABEL}\s*[:#.]?\s*)?|\(\s*{_LABEL}\s*[:#.]?\s*)"
)
_NUMBERED = (
    rf"{_BEGIN}{_NUMBERS}\s*{_DETAIL}(?:(?:\\?[\]］]){{1,2}}(?:\([^()\n]{{1,200}}\))?|】|\))"
)
_RAISED = rf"<sup>\s*(?:{_NUMBERED}|{_NUMBERS})\s*</sup>"
_BARE = rf"\b{_NOUN}\s+{_NUMBERS}(?![\w%])"
_NUMBERS_OF = re.compile(rf"(?:<sup>\s*)?(?:{_BEGIN}|\(\s*|{_NOUN}\s+)?({_NUMBERS})", re.IGNORECASE)
_RANGE = re.compile(r"(\d+)(?:\s*(?:[–—-]|\b(?:to|a)\b)\s*#?(\d+))?")

# Ambiguous styles: they only count in a text without other markers.
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_PLAIN = re.compile(
    r"(?<=[\w.,;:!?\"”»)%])[ \t]?\(\s*\d{1,2}(?:\s*[,;–-]\s*\d{1,2})*\s*\)"
    r"(?=[.,;:!?\n]|\s+[A-ZÀ-Ý]|\s*$)"
    rf"|(?:(?<=[^\W\d_]{{3}})|(?<=[.,;:!?\"”»)]))[ \t]?[{_SUPERSCRIPTS}]+(?:,[{_SUPERSCRIPTS}]+)*"
)

_SECTION = re.compile(
    r"(?:sections?|articles?|clauses?|paragraphs?|rules?|se[cç][aã]o|artigo|art\.?|cl[aá]usula|§)"
    r"\s*[\d.]+$",
    re.IGNORECASE,
)
_BEFORE_NOUN = re.compile(
    r"\b(?:according to|see|segundo|conforme|de acordo com|"
    r"(?:stated|mentioned|described|shown|noted|listed|found|given|reported) (?:in|by)|"
    r"(?:descrit|mencionad|citad|indicad|listad|encontrad|informad)[oa]s? (?:em|por|no|na)|"
    rf"{_NOUN}|text|context|texto|contexto)\s*$",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s|\n)\s*$")
_VERB_AFTER = re.compile(
    r"\s*(?:stat|say|sai|mention|indicat|describ|not(?:es|ed)|show|report|confirm|specif|expla|giv|"
    r"list|agree|both|also|diz|afirma|menciona|indica|descreve|informa|mostra|cita|explica)\w*\b",
    re.IGNORECASE,
)
_BULLET = r"[-*+•\s]*"
_REFERENCES = re.compile(rf"\s*[#*_]*\s*{_LABEL}\b[\s:*_]*$", re.IGNORECASE)


class Marker(NamedTuple):
    """A citation marker that was removed from a text.

    Attributes:
        place: Its offset in the text without markers.
        end: The end of the name that replaced it; ``place`` if there is none.
        indices: The chunks that it names, from 0, in its order.
    """

    place: int
    end: int
    indices: list[int]


def take_markers(text: str, chunks: Sequence[ScoredChunk]) -> tuple[str, list[Marker]]:
    """Return ``text`` without markers and trailing list of sources, and the markers.

    Where the sentence needs a noun ("According to [1], …"), the file name replaces the marker. An
    index in code (``array[0]``) is kept, and so is what a chunk holds verbatim, but for ``[n]``.
    """
    text = _without_references(text, chunks)
    found = [match for match in _pattern(text, chunks).finditer(text) if _counts(match, chunks)]
    found = found or [match for match in _PLAIN.finditer(text) if _names_chunks(match, chunks)]
    marks: list[Marker] = []
    clean, position = "", 0
    for match in found:
        clean += text[position : match.start()]
        indices = list(dict.fromkeys(_indices(match[0], chunks)))
        name = _name(match, indices, chunks) if _is_noun(match) else ""
        marks.append(Marker(len(clean), len(clean) + len(name), indices))
        clean += name or _gap(match)
        position = match.end()
    clean += text[position:]
    while any(not _is_code(match) for match in MARKER.finditer(clean)):
        # Removal can bring the halves of another together.
        clean = MARKER.sub(lambda match: match[0] if _is_code(match) else _blank(match), clean)
    return clean.rstrip(), marks


def _pattern(text: str, chunks: Sequence[ScoredChunk]) -> re.Pattern[str]:
    names = sorted((name for name in _sources(chunks) if name in text), key=len, reverse=True)
    one = rf"(?:{_NUMBERED}|{_RAISED}"
    if names:
        known = "|".join(map(re.escape, names))
        one += rf"|[\[(]\s*(?:{_LABEL}\s*:?\s*)?(?:{known})\s*{_DETAIL}[\])]"
    one += ")"
    joined = r"[ \t]{0,2}(?:[,;&]|\b(?:and|e)\b)?[ \t]{0,2}"
    group = rf"(?:(?<!\w){_LABEL}:[ \t]?)?{one}(?:{joined}{one})*"
    see = rf"(?:(?:see(?: also)?|cf\.?|ver|vide|{_LABEL})[:\s]\s*)?"
    wrapped = "|".join(
        (
            rf"\*\*{group}\*\*",
            rf"\*{group}\*",
            rf"__{group}__",
            rf"`{group}`",
            rf"\({see}{group}\s*{_DETAIL}\)",
            group,
            _BARE,
        )
    )
    return re.compile(
        rf"^(?:{wrapped})[ \t]*|(?<![ \t])[ \t]+(?:{wrapped})|(?:{wrapped})",
        re.MULTILINE | re.IGNORECASE,
    )


def _sources(chunks: Sequence[ScoredChunk]) -> dict[str, list[int]]:
    """Return the indices of the chunks of each file, by its path and by its name."""
    found: dict[str, list[int]] = {}
    for index, chunk in enumerate(chunks):
        for name in {chunk.source, PurePosixPath(chunk.source).name} - {""}:
            found.setdefault(name, []).append(index)
    return found


def _counts(match: re.Match[str], chunks: Sequence[ScoredChunk]) -> bool:
    if _is_code(match):
        return False
    return MARKER.fullmatch(match[0].strip()) is not None or not _is_own(match, chunks)


def _is_own(match: re.Match[str], chunks: Sequence[ScoredChunk]) -> bool:
    """Return whether a chunk holds the marker after the same characters."""
    found = match.string[max(0, match.start() - 6) : match.end()].strip()
    return any(found in chunk.text for chunk in chunks)


def _names_chunks(match: re.Match[str], chunks: Sequence[ScoredChunk]) -> bool:
    numbers = [int(digits) for digits in re.findall(r"\d+", _digits(match[0]))]
    if not all(1 <= n <= len(chunks) for n in numbers) or _is_own(match, chunks):
        return False
    return _SECTION.search(match.string[max(0, match.start() - 30) : match.start()]) is None


def _digits(marker: str) -> str:
    return marker.translate(str.maketrans(_SUPERSCRIPTS, "0123456789"))


def _is_code(match: re.Match[str]) -> bool:
    """Return whether a marker is an index: right after a word, it is a 0 or between backticks."""
    text, start = match.string, match.start()
    if not re.match(r"\w", text[start - 1 : start]) or match[0][0] != "[":
        return False
    zero = re.fullmatch(r"\[\s*0+\s*\]", match[0]) is not None
    return zero or (text.count("`", 0, start) % 2 == 1 and "`" in text[match.end() :])


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _gap(match: re.Match[str]) -> str:
    """Return what stays in the place of a marker: a space if words would run together."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return " " if after.isalnum() and before not in ("", "\n") else ""


def _is_noun(match: re.Match[str]) -> bool:
    marker = match[0].strip()
    if marker[0].isalpha() and not marker.endswith(("]", ")", "】")):
        return True
    before = match.string[max(0, match.start() - 40) : match.start()]
    if _BEFORE_NOUN.search(before):
        return marker[0] != "("
    return bool(_SENTENCE_START.search(before) and _VERB_AFTER.match(match.string, match.end()))


def _name(match: re.Match[str], indices: Sequence[int], chunks: Sequence[ScoredChunk]) -> str:
    space = " " if match[0][0].isspace() else ""
    after = " " if match[0][-1].isspace() else ""
    names = (PurePosixPath(chunks[index].source).name for index in indices)
    return space + (", ".join(dict.fromkeys(names)) or "…") + after


def _indices(marker: str, chunks: Sequence[ScoredChunk]) -> Iterator[int]:
    """Yield the indices that a marker such as ``[1, 3-5]`` names, in its order."""
    sources = _sources(chunks)
    for one in _ones(marker):
        if match := _NUMBERS_OF.match(one):
            yield from _numbers(match[1], len(chunks))
        else:
            named = sorted((name for name in sources if name in one), key=len)
            yield from sources[named[-1]] if named else ()


def _ones(marker: str) -> list[str]:
    """Return the parts of several markers in a row."""
    inner = _digits(marker).strip(" \t*`_")
    parts = re.findall(rf"{_RAISED}|{_NUMBERED}|[\[(][^\[\]()]+[\])]|{_BARE}", inner, re.IGNORECASE)
    return parts or [inner]


def _numbers(numbers: str, count: int) -> Iterator[int]:
    for first, last in _RANGE.findall(numbers):
        low, high = (min(int(digits[:9]), count + 1) for digits in (first, last or first))
        yield from (n - 1 for n in range(low, high + 1) if 1 <= n <= count)


def _without_references(text: str, chunks: Sequence[ScoredChunk]) -> str:
    """Return ``text`` without a trailing list of sources: they are cited where they are used."""
    lines = text.splitlines(keepends=True)
    kept, references = len(lines), 0
    for index in range(len(lines) - 1, -1, -1):
        if _is_reference(lines[index], chunks):
            references += 1
        elif references and _REFERENCES.match(lines[index]):
            return "".join(lines[:index]).rstrip()
        elif lines[index].strip():
            break
        kept = index
    footnotes = all(re.match(r"\s*\[\^\d+\]:", line) for line in lines[kept:] if line.strip())
    return "".join(lines[:kept]).rstrip() if references and footnotes and kept else text


def _is_reference(line: str, chunks: Sequence[ScoredChunk]) -> bool:
    """Return whether a line is a marker with its source, or the name of a file."""
    match = re.match(rf"{_BULLET}(?:{_NUMBERED}|\d{{1,2}}[.)])?[\s:.–-]*", line, re.IGNORECASE)
    rest = line[match.end() if match else 0 :].strip(" \t\n*_`.")
    named = max((name for name in _sources(chunks) if name in rest), key=len, default="")
    if named:
        return len(rest.replace(named, " ").split()) <= 12
    return not rest and bool(match and re.search(r"\d", match[0]))
