"""Packages of OpenDocument (ISO/IEC 26300): parts, metadata and styles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from ingest.errors import LoadError
from ingest.loaders.list_numbers import NumberLevel
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.zip_parts import DAMAGED, ZipParts

_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
_NAMESPACES = {
    "office": f"{_OASIS}:office:1.0",
    "text": f"{_OASIS}:text:1.0",
    "table": f"{_OASIS}:table:1.0",
    "draw": f"{_OASIS}:drawing:1.0",
    "style": f"{_OASIS}:style:1.0",
    "meta": f"{_OASIS}:meta:1.0",
    "manifest": f"{_OASIS}:manifest:1.0",
    "presentation": f"{_OASIS}:presentation:1.0",
    "svg": f"{_OASIS}:svg-compatible:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xlink": "http://www.w3.org/1999/xlink",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman"}
_FORMATS |= {"I": "upperRoman", "0": "decimalZero"}
_MOST_LEVELS = 10
_LARGEST = 1_000_000  # chosen by hand


@cache
def odf(name: str) -> str:
    """Return a tag or attribute as lxml writes it: ``text:p`` as ``{urn:…}p``."""
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


_ENCRYPTION = odf("manifest:encryption-data")


class OdfFile:
    """The parts of a file.

    Attributes:
        content: The root of ``content.xml``.
        styles: The root of ``styles.xml``; None without it.
        problems: Parts that could not be read.
    """

    def __init__(self, file: bytes, options: LoadOptions) -> None:
        """Raises LoadError if the file is encrypted or too large unpacked."""
        self.parts = ZipParts(file, options)
        self.problems: list[str] = []
        manifest = self.optional("META-INF/manifest.xml", "list of parts")
        if manifest is not None and any(True for _ in manifest.iter(_ENCRYPTION)):
            raise LoadError("is encrypted: save it without a password")
        self.content = self.parts.xml("content.xml")
        self.styles = self.optional("styles.xml", "styles")

    def optional(self, name: str, what: str) -> Any:
        """Return the root element of a part; None if there is none or, with a problem, damaged."""
        if name not in self.parts:
            return None
        try:
            return self.parts.xml(name)
        except DAMAGED:
            self.problems.append(f"its {what} could not be read")
            return None

    def metadata(self) -> dict[str, str]:
        """Return the title and the date of the last change."""
        root = self.optional("meta.xml", "properties")
        if root is None:
            return {}
        title, changed = (
            "".join(root.xpath(f"string(//*[name()='dc:{name}'])")) for name in ("title", "date")
        )
        return stated(title.strip(), changed)

    def styles_named(self, tag: str) -> Iterator[tuple[str, Any]]:
        """Yield the styles of a kind by name; the automatic ones replace those before them."""
        for root in (self.styles, self.content):
            for style in () if root is None else root.iter(odf(tag)):
                yield style.get(odf("style:name"), ""), style


class ListStyles:
    """How the lists and the headings of a file are numbered."""

    def __init__(self, file: OdfFile) -> None:
        self._lists = {name: _levels(one) for name, one in file.styles_named("text:list-style")}
        outlines = (_levels(one) for _, one in file.styles_named("text:outline-style"))
        self.outline = next(outlines, {})

    def levels(self, name: str) -> dict[int, NumberLevel]:
        """Return the levels of a list style; bullets if it is not known."""
        return self._lists.get(name, {})


def _levels(style: Any) -> dict[int, NumberLevel]:
    found: dict[int, NumberLevel] = {}
    for one in style:
        depth = integer(one.get(odf("text:level")), 1) - 1
        is_number = one.tag.endswith(("level-style-number", "outline-level-style"))
        found[depth] = _level(one, depth) if is_number else NumberLevel("bullet")
    return found


def _level(style: Any, depth: int) -> NumberLevel:
    kind = _FORMATS.get(style.get(odf("style:num-format"), "")[:1], "none")
    shown = min(integer(style.get(odf("text:display-levels")), 1), _MOST_LEVELS)
    numbers = ".".join(f"%{n}" for n in range(max(depth + 2 - shown, 1), depth + 2))
    if kind == "none":
        numbers = ""
    prefix, suffix = style.get(odf("style:num-prefix"), ""), style.get(odf("style:num-suffix"), "")
    start = integer(style.get(odf("text:start-value")), 1)
    return NumberLevel(kind, f"{prefix}{numbers}{suffix}", start)


def integer(text: str | None, default: int) -> int:
    """Return a number that is not negative; the default if it is none."""
    try:
        return min(max(int(text or ""), 0), _LARGEST)
    except ValueError:
        return default
