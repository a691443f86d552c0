"""Draw a page of a PDF with a quote highlighted, and tell where the quote stands."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from math import ceil, floor
from typing import TYPE_CHECKING

import pypdfium2

from ingest.errors import LoadError
from ingest.loaders.pdf import PDFIUM, open_pdf
from ingest.loaders.pdf_alignment import characters_between
from ingest.loaders.pdf_characters import Characters, around
from ingest.loaders.pdf_pages import Box, PagePicture
from ingest.loaders.pdf_text import flat_page, read_characters

if TYPE_CHECKING:
    from PIL.Image import Image

# Chosen by hand: pixels for a point, most pixels on the longer side, the colour that white turns
# into on a light ground, and black on a dark one, which is darker than this on average.
_SCALE = 2.0
_LONGEST_SIDE = 2400
_MARKER = (255, 235, 90)
_GLOW = (90, 78, 0)
_DARK = 128
# A character is in a line that shares this much of its height, with a gap of so many heights.
_SHARED = 0.5
_GAP = 2.0
_DAMAGED = "is damaged or not really pdf"


def draw_page(
    content: bytes, passwords: Sequence[str], number: int, text: str, start: int, end: int
) -> PagePicture:
    """Return a page of a PDF with the span of its text highlighted.

    Args:
        content: The file.
        passwords: Tried if it is encrypted.
        number: Page, counted from 1.
        text: The text of the page in the document.
        start: Offset of the span in ``text``.
        end: Offset after the span.

    Raises:
        LoadError: If the file or the page can't be read.
    """
    with PDFIUM:
        file = open_pdf(content, passwords)
        if file is None:
            raise LoadError(_DAMAGED)
        with closing(file):
            with suppress(pypdfium2.PdfiumError):
                file.init_forms()
            if not 1 <= number <= len(file):
                raise LoadError(f"has no page {number}")
            try:
                with flat_page(file, number - 1) as page:
                    return _draw(page, text, start, end)
            except pypdfium2.PdfiumError as error:
                raise LoadError(_DAMAGED) from error


def _draw(page: pypdfium2.PdfPage, text: str, start: int, end: int) -> PagePicture:
    width, height = page.get_size()
    if not (width > 0 and height > 0):
        raise LoadError("has no size")
    boxes = tuple(displayed(page, box) for box in quote_boxes(page, text, start, end))
    scale = min(_SCALE, _LONGEST_SIDE / max(width, height))
    with closing(page.render(scale=scale)) as bitmap:
        picture = bitmap.to_pil().convert("RGB")
    for box in boxes:
        _highlight(picture, box, picture.width / width, picture.height / height)
    return PagePicture(_png(picture), width, height, boxes)


def quote_boxes(page: pypdfium2.PdfPage, text: str, start: int, end: int) -> list[Box]:
    """Return a rectangle for each line of the quote, in the coordinates of the page."""
    with closing(page.get_textpage()) as text_page:
        characters = Characters(text_page)
        lines = read_characters(page, characters).lines
        offsets = characters_between(lines, characters.text, text, start, end)
        visible = (at for at in offsets if not characters.text[at].isspace())
        return list(_lines(filter(None, map(characters.box, visible))))


def _lines(boxes: Iterable[Box]) -> Iterator[Box]:
    line = None
    for box in boxes:
        if line and _continues(line, box):
            line = around(line, box)
        else:
            if line:
                yield line
            line = box
    if line:
        yield line


def _continues(line: Box, box: Box) -> bool:
    """Return whether a character belongs to a line, which may also go up or down the page."""
    across = _overlap(line.left, line.right, box.left, box.right)
    along = _overlap(line.bottom, line.top, box.bottom, box.top)
    height = min(line.top - line.bottom, box.top - box.bottom)
    if along > _SHARED * height:
        return across > -_GAP * height
    width = max(line.right - line.left, box.right - box.left)
    return across > _SHARED * width and along > -_SHARED * width


def _overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    """Return what two ranges share; below 0 it is the gap between them."""
    return min(end, other_end) - max(start, other_start)


def displayed(page: pypdfium2.PdfPage, box: Box) -> Box:
    """Return a box in the coordinates of the page as it is turned and cut when it is shown."""
    left, bottom, right, top = page.get_bbox()
    match page.get_rotation():
        case 90:
            return Box(box.bottom - bottom, right - box.right, box.top - bottom, right - box.left)
        case 180:
            return Box(right - box.right, top - box.top, right - box.left, top - box.bottom)
        case 270:
            return Box(top - box.top, box.left - left, top - box.bottom, box.right - left)
    return Box(box.left - left, box.bottom - bottom, box.right - left, box.top - bottom)


def _highlight(picture: Image, box: Box, across: float, along: float) -> None:
    """Mark a box as with a pen; what is written on it stays as dark, or as light, as it was.

    ``across`` and ``along`` are the pixels for a point.
    """
    from PIL import Image, ImageChops, ImageStat

    area = (
        max(floor(box.left * across), 0),
        max(floor(picture.height - box.top * along), 0),
        min(ceil(box.right * across), picture.width),
        min(ceil(picture.height - box.bottom * along), picture.height),
    )
    if area[0] >= area[2] or area[1] >= area[3]:
        return
    part = picture.crop(area)
    is_dark = ImageStat.Stat(part.convert("L")).mean[0] < _DARK
    mark = Image.new("RGB", part.size, _GLOW if is_dark else _MARKER)
    picture.paste((ImageChops.screen if is_dark else ImageChops.multiply)(part, mark), area)


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
