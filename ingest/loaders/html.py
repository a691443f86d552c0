"""HTML, as a browser shows it, without scripts and navigation."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.loaders.blocks import Block, join_blocks
from ingest.loaders.html_depth import limit_depth
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
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
_CHARSET = re.compile(
    rb"""<\?xml[^>]{1,100}?encoding\s*=\s*["']([\w.:-]+)|<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""",
    re.IGNORECASE,
)
# Encodings that browsers read as a larger one (WHATWG Encoding Standard, 4.2).
_BROWSER_ENCODINGS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_CHARSET_BYTES = 2048  # twice the 1024 bytes in which HTML requires the declaration
_LONGEST_CELL = 400  # longer cells make a table one for layout; chosen by hand
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b")
_SELF_CLOSED = re.compile(
    r"""<([A-Za-z][\w.:-]*)((?:\s(?:[^<>"'/]|/(?!>)|"[^"<]*"|'[^'<]*')*)?)/>"""
)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|svg|webp|bmp|tiff?)", re.IGNORECASE)


def load_html(content: bytes, options: LoadOptions) -> Document:
    """Return the readable text of a page, with its headings and title."""
    tree = parse_html(content)
    text, headings = join_blocks(html_blocks(tree))
    title = tree.css_first("head title")
    name = " ".join(title.text().split()) if title else ""
    dates = (tag.attributes.get("content") or "" for tag in tree.css(_DATES))
    changed = max((text for text in dates if text[:1].isdigit()), default="")
    return Document(text, headings=headings, metadata=stated(name, changed))


def parse_html(content: bytes) -> LexborHTMLParser:
    """Return the tree of a page in HTML or XHTML."""
    text = decode(content, _declared_encoding(content))
    if _XML.match(content):
        text = _SELF_CLOSED.sub(_close, text)
    return LexborHTMLParser(limit_depth(text))


def html_blocks(tree: LexborHTMLParser) -> list[Block]:
    """Return the paragraphs, headings, items and rows of a page."""
    return _Reader().read(tree.root) if tree.root else []


def _declared_encoding(content: bytes) -> str | None:
    """Return the encoding that a page names, as browsers understand it; None if it names none."""
    declared = _CHARSET.search(content, 0, _CHARSET_BYTES)
    try:
        name = codecs.lookup((declared[1] or declared[2]).decode()).name if declared else ""
    except LookupError:
        return None
    # A name that could be read in ASCII is not UTF-16.
    return _BROWSER_ENCODINGS.get(name, name) if not name.startswith(("utf-16", "utf-32")) else None


def _close(match: re.Match[str]) -> str:
    """Return an XHTML element without content as HTML understands it."""
    name, attributes = match.groups()
    if name.lower() in _VOID:
        return match[0]
    return f"<{name}{attributes}></{name}>"


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
            elif node.tag == "img":
                self.run += (" ", _description(node), " ") if entering else ()
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


def _description(image: LexborNode) -> str:
    """Return the alternative text of an image; empty if it only decorates."""
    text = (image.attributes.get("alt") or "").strip()
    decorates = image.attributes.get("role") in ("presentation", "none")
    return "" if decorates or _FILE_NAME.fullmatch(text) else text


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
