"""The formats of numbers in an Excel workbook that add to them: percentages and units.

A cell holds 0.23 where a person sees 23%, and 40 for € 40.00 (ECMA-376 Part 1, 18.8.30).
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lxml import etree

_STYLES, _WORKBOOK = "xl/styles.xml", "xl/workbook.xml"
_RELATIONS = "xl/_rels/workbook.xml.rels"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(rb'<(?:\w+:)?c r="([A-Z]{1,3})(\d{1,7})" s="(\d{1,6})"')
_CHUNK_BYTES = 1 << 20
_LONGEST_TAG = 300  # bytes
_MOST_CELLS = 500_000  # beyond them, values stay as they are stored; chosen by hand

_BUILT_IN = {9: "0%", 10: "0.00%"}
# A literal in a format: "kg", \k or [$R$-416]; then what stands for digits; then what is no text.
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)(?:-[^\]]*)?\]|([%€£$¥])')
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")
_DIGITS = re.compile(r"[#0?][#0?,. ]*")
_NOT_SHOWN = re.compile(r"\[[^\]$][^\]]*\]|_.|\*.")


class NumberFormat(NamedTuple):
    """What a format puts around a number.

    Attributes:
        before: Text before it, such as ``€``.
        after: Text after it, such as ``kg``.
        percent_digits: Digits of a percentage after the point; None for other numbers.
        least_digits: Digits after the point that are shown even if they are zeros.
    """

    before: str
    after: str
    percent_digits: int | None = None
    least_digits: int = 0

    def show(self, value: float, plain: str) -> str:
        """Return a value as it is shown, given how it is without a format."""
        if self.percent_digits is not None:
            plain = f"{100 * value:.{self.percent_digits}f}"
        elif _PLAIN.fullmatch(plain):
            whole, _, digits = plain.partition(".")
            plain = f"{whole}.{digits:0<{self.least_digits}}".rstrip(".")
        sign = "-" if plain.startswith("-") else ""
        return f"{sign}{self.before}{plain.removeprefix('-')}{self.after}"


CellFormats = Mapping[tuple[int, int], NumberFormat]


def cell_formats(content: bytes) -> dict[str, CellFormats]:
    """Return the formats of the cells that have one, by sheet, row and column, counted from 0."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        styles = dict(_styles(_xml(archive, _STYLES)))
        if not styles:
            return {}
        return {
            name: dict(_cells(archive, part, styles))
            for name, part in _sheets(archive)
            if part in archive.namelist()
        }


def parse_format(code: str) -> NumberFormat | None:
    """Return what a format code adds to a number; None if nothing, or if it changes the number."""
    shown = _NOT_SHOWN.sub("", code.split(";")[0])
    digits = _DIGITS.search(shown)
    if not digits:
        return None
    around = (shown[: digits.start()], shown[digits.end() :])
    before, after = (_LITERAL.sub(_text, part) for part in around)
    is_date_or_power = _LITERAL.sub("", "".join(around)).strip(" ()-+")
    is_scaled = digits[0].rstrip().endswith(",")
    if is_date_or_power or is_scaled or not (before + after).strip():
        return None
    places = digits[0].partition(".")[2].strip()
    percent = len(places) if "%" in after else None
    return NumberFormat(before.lstrip(), after.rstrip(), percent, places.count("0"))


def _text(literal: re.Match[str]) -> str:
    return "".join(filter(None, literal.groups()))


def _styles(root: Any) -> Iterator[tuple[int, NumberFormat]]:
    """Yield the number of each cell style with its format, if that adds something."""
    codes = dict(_BUILT_IN)
    for element in root.iterfind("{*}numFmts/{*}numFmt"):
        codes[int(element.get("numFmtId"))] = element.get("formatCode") or ""
    for number, element in enumerate(root.iterfind("{*}cellXfs/{*}xf")):
        if found := parse_format(codes.get(int(element.get("numFmtId") or 0), "")):
            yield number, found


def _sheets(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield the name of each sheet with that of its part."""
    targets = {
        element.get("Id"): posixpath.normpath(posixpath.join("xl", element.get("Target", "")))
        for element in _xml(archive, _RELATIONS)
    }
    for element in _xml(archive, _WORKBOOK).iterfind("{*}sheets/{*}sheet"):
        yield element.get("name"), targets.get(element.get(_RELATION), "").lstrip("/")


def _cells(
    archive: zipfile.ZipFile, part: str, styles: Mapping[int, NumberFormat]
) -> Iterator[tuple[tuple[int, int], NumberFormat]]:
    count, tail = 0, b""
    with archive.open(part) as file:
        while (chunk := file.read(_CHUNK_BYTES)) and count < _MOST_CELLS:
            for letters, row, style in _CELL.findall(tail + chunk):
                if found := styles.get(int(style)):
                    count += 1
                    yield (int(row) - 1, column_number(letters) - 1), found
            tail = chunk[-_LONGEST_TAG:]


def column_number(letters: bytes) -> int:
    """Return the number of a column, counted from 1: 27 for ``AA``."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _xml(archive: zipfile.ZipFile, name: str) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    return etree.fromstring(archive.read(name), parser)
