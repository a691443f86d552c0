"""Limit how deeply the elements of a page are nested, as browsers do."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DEEPEST = 512  # as in Blink
# Open formatting elements are opened again in each paragraph. More than these: chosen by hand.
_MOST_FORMATTING = 16
_FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
# Elements without content, and those that the next one of their kind closes.
_UNCOUNTED = frozenset(
    "area base br col embed hr img input link meta param source track wbr html head body "
    "p li dt dd tr td th thead tbody tfoot colgroup caption rp rt".split()
)
_INLINE = _FORMATTING | frozenset("abbr cite del ins kbd label mark q span sub sup time".split())
_CHOICES = frozenset(("option", "optgroup"))  # not shown; they may nest, but are rarely closed
_RAW = frozenset("script style textarea title xmp".split())
_TOKEN = re.compile(r"<!--|<(/?)([a-zA-Z][^\s/<>]*)[^<>]*>")


def limit_depth(text: str) -> str:
    """Return HTML without the tags of elements that are nested too deeply, with a line break each.

    Lexbor takes quadratic time for nested elements. Inline ones leave no line break.
    """
    if text.count("<") <= _MOST_FORMATTING:
        return text
    parts: list[str] = []
    done = 0
    for start, end, instead in _deep_tags(text):
        parts += (text[done:start], instead if start > done else "")
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _deep_tags(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the spans of the tags to replace, each with what stands in its place."""
    depths = {True: 0, False: 0}
    limits = {True: _MOST_FORMATTING, False: _DEEPEST}
    for token, name in _tags(text):
        kind = name in _FORMATTING
        opens = not token[1]
        if name in _CHOICES:
            yield *token.span(), ""
        elif name not in _UNCOUNTED:
            depths[kind] += opens
            if depths[kind] > limits[kind]:
                yield *token.span(), "" if name in _INLINE else "<br>"
            depths[kind] = max(depths[kind] - (not opens), 0)


def _tags(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield the tags outside comments and scripts with their names."""
    position = 0
    while token := _TOKEN.search(text, position):
        position = token.end()
        name = (token[2] or "").lower()
        if not name or (name in _RAW and not token[1]):
            position = text.find(f"</{name}" if name else "-->", position)
            if position < 0:
                return
        else:
            yield token, name
