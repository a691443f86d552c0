"""The text of a page of a PDF, as PDFium finds it, with forms and annotations."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import closing

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.loaders.pdf_pages import Box, Line, Page, PageState
from ingest.loaders.pdf_words import is_unmapped

# Annotations without text of their own on the page.
_WITHOUT_TEXT = frozenset((pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP))
_MOST_ANNOTATIONS = 10_000
_FORM_DEPTH = 5
# A page with a larger share of its text in fonts without a code table is not read. Chosen by hand.
_MOST_UNMAPPED = 0.1


def read_page(file: pypdfium2.PdfDocument, number: int) -> Page:
    """Return a page; its number counts from 0."""
    try:
        with closing(file[number]) as page:
            if not _has_annotations(page) or not _flatten(page):
                return _read(page)
        with closing(file[number]) as page:
            return _read(page)
    except pypdfium2.PdfiumError:
        return Page(state=PageState.FAILED)


def _has_annotations(page: pypdfium2.PdfPage) -> bool:
    """Return whether there are form fields or annotations that show text."""
    count = min(pdfium.FPDFPage_GetAnnotCount(page), _MOST_ANNOTATIONS)
    return any(_subtype(page, index) not in _WITHOUT_TEXT for index in range(count))


def _subtype(page: pypdfium2.PdfPage, index: int) -> int:
    annotation = pdfium.FPDFPage_GetAnnot(page, index)
    if not annotation:
        return int(pdfium.FPDF_ANNOT_POPUP)
    subtype = int(pdfium.FPDFAnnot_GetSubtype(annotation))
    pdfium.FPDFPage_CloseAnnot(annotation)
    return subtype


def _flatten(page: pypdfium2.PdfPage) -> bool:
    """Make the annotations part of the page; it shows once the page is loaded again."""
    done = pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
    return bool(done == pdfium.FLATTEN_SUCCESS)


def _read(page: pypdfium2.PdfPage) -> Page:
    with closing(page.get_textpage()) as text_page:
        lines = list(_lines(text_page))
    mapped = tuple(line for line, is_mapped in lines if is_mapped)
    unmapped = sum(len(line.text) for line, is_mapped in lines if not is_mapped)
    if unmapped > _MOST_UNMAPPED * sum(len(line.text) for line, _ in lines):
        return Page(mapped, PageState.UNMAPPED)
    if not Page(mapped).has_text and _has_image(page):
        return Page(state=PageState.SCANNED)
    return Page(mapped)


def _lines(text_page: pypdfium2.PdfTextPage) -> Iterator[tuple[Line, bool]]:
    """Yield the lines, and of each whether its characters are known."""
    offset = 0
    for text in text_page.get_text_bounded().split("\r\n"):
        if visible := text.strip():
            first = offset + text.index(visible[0])
            ends = [_index(text_page, at) for at in (first, first + len(visible) - 1)]
            boxes = [box for end in ends if (box := _box(text_page, end))]
            known = not is_unmapped(text) and not all(_unmapped(text_page, end) for end in ends)
            # The smaller of the first and last character: a drop cap does not make a heading.
            height = min((round(box.top - box.bottom, 1) for box in boxes), default=0.0)
            yield Line(text, height, _around(boxes) if boxes else None), known
        offset += len(text) + 2


def _index(text_page: pypdfium2.PdfTextPage, offset: int) -> int:
    return int(pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, offset))


def _unmapped(text_page: pypdfium2.PdfTextPage, index: int) -> bool:
    """Return whether the font has no code table for a character."""
    return bool(pdfium.FPDFText_HasUnicodeMapError(text_page, index) == 1)


def _box(text_page: pypdfium2.PdfTextPage, index: int) -> Box | None:
    """Return the box of a character, including ascent and descent."""
    box = pdfium.FS_RECTF()
    if index < 0 or not pdfium.FPDFText_GetLooseCharBox(text_page, index, ctypes.byref(box)):
        return None
    return Box(box.left, box.bottom, box.right, box.top)


def _around(boxes: list[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return Box(min(lefts), min(bottoms), max(rights), max(tops))


def _has_image(page: pypdfium2.PdfPage) -> bool:
    images = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=_FORM_DEPTH)
    return next(iter(images), None) is not None
