"""The text of a page of a PDF, as PDFium finds it, with forms and annotations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.loaders.pdf_characters import Characters, Span, line, ordered_lines, spans
from ingest.loaders.pdf_pages import Box, Page, PageState
from ingest.loaders.pdf_words import mapped_page

# Annotations without text of their own on the page.
_WITHOUT_TEXT = frozenset((pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP))
_MOST_ANNOTATIONS = 10_000
_FORM_DEPTH = 5


def read_page(file: pypdfium2.PdfDocument, number: int) -> Page:
    """Return a page; its number counts from 0."""
    try:
        with flat_page(file, number) as page, closing(page.get_textpage()) as text_page:
            return read_characters(page, Characters(text_page))
    except pypdfium2.PdfiumError:
        return Page(state=PageState.FAILED)


@contextmanager
def flat_page(file: pypdfium2.PdfDocument, number: int) -> Iterator[pypdfium2.PdfPage]:
    """Open a page with its form fields and annotations as part of it.

    Raises:
        PdfiumError: If it can't be loaded.
    """
    with closing(file[number]) as page:
        if not _has_annotations(page) or not _flatten(page):
            yield page
            return
    with closing(file[number]) as page:
        yield page


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


def read_characters(page: pypdfium2.PdfPage, characters: Characters) -> Page:
    """Return a page with its lines in reading order."""
    found = list(spans(characters, Box(*page.get_cropbox())))
    unmapped = {i for i, span in enumerate(found) if _is_unmapped(characters, span)}
    read = mapped_page([line(characters, span) for span in found], unmapped)
    if read.state is PageState.READ and (lines := ordered_lines(characters, found)):
        return Page(tuple(lines))
    if not found and _has_image(page):
        return Page(state=PageState.SCANNED)
    return read


def _is_unmapped(characters: Characters, span: Span) -> bool:
    return characters.is_unmapped(span.start) and characters.is_unmapped(span.end - 1)


def _has_image(page: pypdfium2.PdfPage) -> bool:
    images = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=_FORM_DEPTH)
    return next(iter(images), None) is not None
