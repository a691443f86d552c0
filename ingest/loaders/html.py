"""HTML, as a browser shows it, without scripts and navigation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.loaders.blocks import Block, join_blocks
from ingest.loaders.metadata import stated
from ingest.loaders.options import LoadOptions
from ingest.loaders.text import decode
from ingest.types import Document

_DROPPED = frozenset(
    "script style template noscript nav head svg math iframe object canvas audio video select "
    "button form-control -comment".split()
)
_PARAGRAPHS = frozenset(
    "address article aside blockquote body details dialog div dl fieldset figcaption figure footer "
    "form h1 h2 h3 h4 h5 h6 header hgroup hr html main ol p pre search section summary table "
    "tbody tfoot thead ul caption".split()
)
_LINES = frozenset("br li tr dt dd option legend td th".split())
_CELLS = frozenset(("td", "th"))
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_DATES = ", ".join(
    f'meta[{key}="{name}"]'
    for key, name in (
        ("property", "article:modified_time"),
        ("name", "dcterms.modified"),
        ("property", "article:published_time"),
        ("name", "date"),
    )
)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_CHARSET_BYTES = 2048  # twice the 1024 bytes in which HTML requires the declaration
_LONGEST_CELL = 400  # longer cells make a table one for layout; chosen by hand


def load_html(content: bytes, options: LoadOptions) -> Document:
    """Return the readable text of a page, with its headings and title."""
    declared = _CHARSET.search(content, 0, _CHARSET_BYTES)
    tree = LexborHTMLParser(decode(content, declared[1].decode() if declared else None))
    blocks = _Reader().read(tree.root) if tree.root else []
    text, headings = join_blocks(blocks)
    title = tree.css_first("head title")
    name = " ".join(title.text().split()) if title else ""
    dates = (tag.attributes.get("content") or "" for tag in tree.css(_DATES))
    changed = max((text for text in dates if text[:1].isdigit()), default="")
    return Document(text, headings=headings, metadata=stated(name, changed))


class _Reader:
    """Walks a tree once and collects its blocks."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.run: list[str] = []
        self.gap = 2
        self.marker = ""
        self.level: int | None = None
        self.preformatted = 0
        self.items = Counter[int]()
        self.rows: list[list[int]] = []

    def read(self, root: LexborNode) -> list[Block]:
        for node, entering in _walk(root):
            if node.is_text_node:
                self.run.append(node.text_content or "")
            elif entering:
                self.enter(node, node.tag or "")
            else:
                self.leave(node.tag or "")
        self.flush(2)
        return self.blocks

    def enter(self, node: LexborNode, tag: str) -> None:
        self.break_before(tag)
        if tag in _HEADINGS:
            self.level = _HEADINGS[tag]
        elif tag == "pre":
            self.preformatted += 1
        elif tag == "li":
            self.marker = self.item_marker(node)
        elif tag == "tr":
            self.rows.append([])
        elif tag in _CELLS and self.rows:
            self.rows[-1].append(len(self.blocks))

    def leave(self, tag: str) -> None:
        self.break_before(tag)
        if tag in _HEADINGS:
            self.level = None
        elif tag == "pre":
            self.preformatted = max(0, self.preformatted - 1)
        elif tag == "li":
            self.marker = ""
        elif tag == "tr" and self.rows:
            self.join_row(self.rows.pop())

    def break_before(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.flush(2)
        elif tag in _LINES:
            self.flush(1)

    def flush(self, gap: int) -> None:
        """End the current run of text; at least ``gap`` line breaks follow it."""
        text = "".join(self.run)
        self.run.clear()
        text = text.strip("\n").rstrip() if self.preformatted else " ".join(text.split())
        if text.strip():
            self.blocks.append(Block(self.marker + text, self.gap, self.level))
            self.gap, self.marker = gap, ""
        elif not self.marker:
            self.gap = max(self.gap, gap)

    def item_marker(self, node: LexborNode) -> str:
        parent = node.parent
        if parent is None or parent.tag != "ol":
            return "- "
        self.items[parent.mem_id] += 1
        return f"{self.items[parent.mem_id]}. "

    def join_row(self, starts: list[int]) -> None:
        """Join the cells of a row to one line, unless the table is used for layout."""
        if not starts:
            return
        ends = [*starts[1:], len(self.blocks)]
        cells = [self.blocks[start:end] for start, end in zip(starts, ends, strict=True)]
        if all(_is_data(cell) for cell in cells) and any(cells):
            first = next(cell[0] for cell in cells if cell)
            texts = [" ".join(" ".join(b.text for b in cell).split()) for cell in cells]
            row = replace(first, text=" | ".join(texts).strip(), gap=min(first.gap, 2))
            self.blocks[starts[0] :] = [row]


def _is_data(cell: list[Block]) -> bool:
    return all(b.level is None for b in cell) and sum(len(b.text) for b in cell) <= _LONGEST_CELL


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Yield each node on entering it, and elements again on leaving, without recursion."""
    stack = [(root, True)]
    while stack:
        node, entering = stack.pop()
        yield node, entering
        if node.is_text_node or not entering:
            continue
        stack.append((node, False))
        children = list(node.iter(include_text=True))
        stack += [(child, True) for child in reversed(children) if _is_shown(child)]


def _is_shown(node: LexborNode) -> bool:
    if node.is_text_node or node.tag in _DROPPED:
        return bool(node.is_text_node)
    attributes = node.attributes
    return not (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
    )
