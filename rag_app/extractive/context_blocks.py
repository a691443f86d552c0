"""The context of a prompt as chunks: its blocks and their sections, verbatim."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest import identify_language
from rag_app.types import ScoredChunk

# As `rag_app.prompts.context.format_context` writes them.
_OURS = re.compile(r"^\[(\d+)\] ([^\n]*)\n<<<\n((?:(?!^<<<$).)*?)\n>>>$", re.M | re.S)
_MOVED = re.compile(r"^\| (?=\s*(?:<<<|>>>|\[\s*\d))", re.M)
_PAGE = re.compile(r", page \d+$")
# A list of LangChain Documents, printed.
_PRINTED = re.compile(r"""page_content=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_TAGGED = re.compile(
    r"<(document|doc|source|passage|chunk|item|documento|fonte|trecho)\b([^>\n]*)>((?:(?!<\1\b).)*?)</\1>",
    re.I | re.S,
)
_CONTENT = re.compile(
    r"<(document_content|page_content|content|text)>\n?((?:(?!<\1>).)*?)</\1>", re.I | re.S
)
_NAMED = (
    r"(?:document|doc|source|passage|chunk|excerpt|result|documento|fonte|passagem|trecho)"
    r"[ \t]*[#nº°]*[ \t]*(\d+)"
)
_NUMBERED = re.compile(
    rf"^[ \t*#]*(?:\[(\d+)\]|\[{_NAMED}\]|{_NAMED}(?=[*]*[ \t]*(?:[:.)–-]|$)))"
    r"[*]*[ \t]*[:.)–-]?[*]*[ \t]*",
    re.I | re.M,
)
_ADDRESS = re.compile(r"[(<\[ \t]*[^\s.]\S*[./]\S*[^\s.](?:, (?:page|p\.) ?\d+)?[)>\]: \t]*")
_LONGEST_ADDRESS = 200
_RULER = r"^[ \t]*(?:-{3,}|={3,}|\*{3,}|_{3,}|#{3,})[ \t]*$"
_SEPARATOR = re.compile(_RULER, re.M)
_SOURCED = re.compile(
    rf"\n\n+(?=[*_]*(?:source|file|title|url|fonte|arquivo|título)[*_]*[ \t]*:)|{_RULER}",
    re.I | re.M,
)
_FACTS = re.compile(
    r"\A(?:[*_]*(?:source|file|title|url|page|metadata|fonte|arquivo|título|página|"
    r"metadados)[*_]*[ \t]*:[^\n]*\n+)+",
    re.I,
)
_CONTENT_LABEL = re.compile(
    r"\A[*_]*(?:content|page_content|text|excerpt|conteúdo|texto|trecho)[*_]*[ \t]*:[*_ \t]*\n?",
    re.I,
)
_HEADING = re.compile(r"^(?:(#{1,6})[ \t]+(\S[^\n]*)|([^\W_][^\n]{0,79}[^\s.!?:;,|…]))$", re.M)
_BELOW = re.compile(r"[ \t]*\n[ \t]*\n[ \t]*\S")
_CODE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)

# Maximum share of other text in a context made of known chunks; chosen by hand.
_OTHER = 0.1


class Block(NamedTuple):
    """A block of a context, with its number and name in the prompt, if any."""

    text: str
    number: int | None = None
    name: str = ""


class Numbered(NamedTuple):
    """A chunk and the number of the block that holds it."""

    chunk: ScoredChunk
    number: int | None


def read_blocks(context: str) -> list[Block]:
    """Return the blocks of a context in order; a context without blocks is one block."""
    ours = [
        Block(_MOVED.sub("", text), int(number), _PAGE.sub("", name))
        for number, name, text in _OURS.findall(context)
    ]
    if ours:
        return ours
    if printed := _PRINTED.findall(context):
        return [Block(ast.literal_eval(text)) for text in printed]
    if tagged := _TAGGED.findall(context):
        return [_tagged(attributes, text) for _, attributes, text in tagged]
    apart = _SOURCED if _FACTS.match(context) else _SEPARATOR
    return _numbered(context) or [_plain(text) for text in apart.split(context)]


def sections(blocks: Sequence[Block]) -> list[Numbered]:
    """Return the section under each heading of each block."""
    return [Numbered(chunk, block.number) for block in blocks for chunk in _sections(block)]


def known_chunks(blocks: Sequence[Block], chunks: Sequence[ScoredChunk]) -> list[Numbered]:
    """Return those of ``chunks`` that the blocks are made of, in their order.

    There are none if the blocks hold much other text.
    """
    left = [block.text for block in blocks]
    found: list[tuple[int, Numbered]] = []
    for rank, chunk in sorted(enumerate(chunks), key=lambda one: -len(one[1].text)):
        text = chunk.text.strip()
        at = next((at for at, other in enumerate(left) if text in other), None)
        if at is not None:
            left[at] = left[at].replace(text, "\0", 1)
            found.append((rank, Numbered(chunk, blocks[at].number)))
    other = sum(len(text.strip("\0 \n")) for text in left)
    if other > _OTHER * sum(len(block.text) for block in blocks):
        return []
    return [one for _, one in sorted(found, key=lambda one: one[0])]


def _tagged(attributes: str, text: str) -> Block:
    number = re.search(r"\b(?:index|id|n|number|i)\s*=\s*[\"']?(\d+)", attributes)
    content = _CONTENT.search(text)
    return _plain(content[2] if content else text, int(number[1]) if number else None)


def _numbered(context: str) -> list[Block]:
    """Return the blocks that begin with 1, 2, 3 and so on; none if the first has no number."""
    marks: list[re.Match[str]] = []
    for mark in _NUMBERED.finditer(context):
        if int(next(filter(None, mark.groups()))) == len(marks) + 1:
            marks.append(mark)
    if not marks or context[: marks[0].start()].strip():
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(context)]
    return [
        _plain(_untitled(context[mark.end() : end]), number)
        for number, (mark, end) in enumerate(zip(marks, ends, strict=True), 1)
    ]


def _untitled(text: str) -> str:
    """Return a block without a first line that is a path or an address."""
    first, _, rest = text.partition("\n")
    is_address = len(first) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(first)
    return rest if is_address and rest.strip() else text


def _plain(text: str, number: int | None = None) -> Block:
    """Return a block without the lines before its content: source, title, label."""
    text = _FACTS.sub("", text.strip())
    return Block(_CONTENT_LABEL.sub("", text).strip(), number)


def _sections(block: Block) -> Iterator[ScoredChunk]:
    """Yield the section under each heading of a block."""
    starts = [(0, ()), *_headings(block.text)]
    ends = [*(start for start, _ in starts[1:]), len(block.text)]
    for (start, headings), end in zip(starts, ends, strict=True):
        text = block.text[start:end].rstrip()
        if any(map(str.isalnum, text)):
            yield ScoredChunk(
                text,
                block.name,
                start,
                start + len(text),
                headings=headings,
                language=identify_language(text),
            )


def _headings(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield where each heading stands, with the headings above what follows it."""
    code = [match.span() for match in _CODE.finditer(text)]
    path: list[tuple[int, str]] = []
    for match in _HEADING.finditer(text):
        hashes, title, line = match.groups()
        if any(start <= match.start() < end for start, end in code):
            continue
        if not hashes and not _stands_alone(text, match.start(), match.end()):
            continue
        level = len(hashes) if hashes else 7
        path = [one for one in path if one[0] < level] + [(level, (title or line).strip())]
        yield match.start(), tuple(one for _, one in path)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether a line is a paragraph of its own with another one below it."""
    return text[max(0, start - 2) : start] in ("", "\n\n") and bool(_BELOW.match(text, end))
