"""Questions across languages, made by rule from Markdown that stands in two languages.

FastAPI's documentation has the same relative paths in English and Portuguese. What a section is
about, its heading or its first sentence, is asked in one language of the files in the other, and
the file of the same path answers it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ingest.loaders import load_document
from ingest.text.sentences import split_sentences

MOST_QUESTIONS = 600

_FEWEST_WORDS = 3
_WORD = re.compile(r"[^\W_]+")
_FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1`*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`]*`")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_EMPHASIS = re.compile(r"(\*\*?|__)(?=\S)(.+?)(?<=\S)\1")
_MARKS = re.compile(r"`|<[^>]+>|^#+\s|\s*\{[^{}]*\}\s*$")
# Not an included file, a note's frame, an item of a list, a row of a table.
_PROSE = re.compile(r"[^\W_].*[.!?]$")


def section_questions(folder: Path, other: Path) -> list[tuple[str, str]]:
    """Return at most 600 questions on the files that both folders have, each with its path.

    A question is the heading of a section or the first sentence below it, of three words or more;
    a heading of code alone is none, nor is anything that stands in more than one file. Of all of
    them every n-th is taken.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.md"))
    asked = [
        (question, path)
        for path in paths
        # An underscore marks what is not published: a test of the translation.
        if (other / path).is_file() and not Path(path).name.startswith("_")
        for question in dict.fromkeys(_questions((folder / path).read_bytes()))
    ]
    files = Counter(question.casefold() for question, _ in asked)
    asked = [(question, path) for question, path in asked if files[question.casefold()] == 1]
    count = min(len(asked), MOST_QUESTIONS)
    return [asked[place * len(asked) // count] for place in range(count)]


def _questions(content: bytes) -> Iterator[str]:
    """Yield the headings of a file and the first sentence below each, where they can be asked."""
    document = load_document("page.md", content)
    starts = [heading.start for heading in document.headings]
    for start, end in pairwise([*starts, len(document.text)]):
        heading, _, body = document.text[start:end].partition("\n")
        if _plain(_CODE.sub("", heading)) and _is_long(_plain(heading)):
            yield _plain(heading)
        sentence = _first_sentence(_FENCE.sub("", body))
        if _PROSE.match(sentence) and _is_long(sentence):
            yield sentence


def _first_sentence(body: str) -> str:
    start, end = next(iter(split_sentences(body)), (0, 0))
    return _plain(body[start:end])


def _plain(text: str) -> str:
    """Return Markdown without its marks, anchors, tags and the addresses of its links."""
    text = _LINK.sub(r"\1", " ".join(text.split()))
    return _MARKS.sub("", _EMPHASIS.sub(r"\2", text)).strip()


def _is_long(text: str) -> bool:
    return len(_WORD.findall(text)) >= _FEWEST_WORDS
