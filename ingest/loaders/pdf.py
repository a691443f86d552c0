"""PDF, read by PDFium, or by pypdf if PDFium fails or finds no text."""

from __future__ import annotations

import ctypes
import io
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.errors import LoadError
from ingest.loaders.options import LoadOptions
from ingest.loaders.pdf_layout import Bookmark, Line, PdfPages, pdf_document
from ingest.types import Document

# PDFium has global state: only one thread may use it at a time.
_PDFIUM = threading.Lock()
_NEEDS_PASSWORD = "is encrypted and needs a password"
_PYPDF_SECONDS = 15.0  # chosen by hand


def load_pdf(content: bytes, options: LoadOptions) -> Document:
    """Return the text of a PDF with its pages; raises LoadError if it is encrypted or has none."""
    pdf = _read_with_pdfium(content)
    if pdf is None or not pdf.has_text:
        pdf = _read_with_pypdf(content) or pdf
    if pdf is None:
        raise LoadError("is damaged or not really pdf")
    if not pdf.has_text:
        raise LoadError("has no text (scanned images?): run it through text recognition (OCR)")
    return pdf_document(pdf)


def _read_with_pdfium(content: bytes) -> PdfPages | None:
    """Return the file as PDFium reads it; None if PDFium can't open it."""
    _silence("pypdfium2")
    with _PDFIUM:
        try:
            file = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pdfium.FPDF_ERR_PASSWORD:
                raise LoadError(_NEEDS_PASSWORD) from error
            return None
        with closing(file):
            pages = [_page_lines(file, number) for number in range(len(file))]
            title, *changed = map(file.get_metadata_value, ("Title", "ModDate", "CreationDate"))
            return PdfPages(pages, tuple(_outline(file)), title, changed[0] or changed[1])


def _page_lines(file: pypdfium2.PdfDocument, number: int) -> list[Line] | None:
    try:
        with closing(file[number]) as page, closing(page.get_textpage()) as text_page:
            return _text_lines(text_page)
    except pypdfium2.PdfiumError:
        return None


def _text_lines(text_page: pypdfium2.PdfTextPage) -> list[Line]:
    lines: list[Line] = []
    offset = 0
    for text in text_page.get_text_bounded().split("\r\n"):
        ends = (offset, offset + len(text.rstrip()) - 1) if text.strip() else ()
        # The smaller of the first and last character: a drop cap does not make a heading.
        lines.append(Line(text, min((_height(text_page, end) for end in ends), default=0.0)))
        offset += len(text) + 2
    return lines


def _height(text_page: pypdfium2.PdfTextPage, offset: int) -> float:
    """Return the height of a character's box, including ascent and descent, in points."""
    box = pdfium.FS_RECTF()
    index = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, offset)
    if index < 0 or not pdfium.FPDFText_GetLooseCharBox(text_page, index, ctypes.byref(box)):
        return 0.0
    return round(abs(float(box.top - box.bottom)), 1)


def _outline(file: pypdfium2.PdfDocument) -> Iterator[Bookmark]:
    for bookmark in file.get_toc():
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        title = " ".join(bookmark.get_title().split())
        if page is not None and title:
            yield Bookmark(title, page, bookmark.level + 1)


def _read_with_pypdf(content: bytes) -> PdfPages | None:
    """Return the file as pypdf reads it, within a time limit; None if pypdf can't open it."""
    import pypdf

    _silence("pypdf")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise LoadError(_NEEDS_PASSWORD)
        count = len(reader.pages)
    except LoadError:
        raise
    except Exception:  # pypdf raises many kinds of errors on damaged files
        return None
    deadline = time.monotonic() + _PYPDF_SECONDS
    return PdfPages([_pypdf_lines(reader, number, deadline) for number in range(count)])


def _silence(library: str) -> None:
    """Drop a parser's warnings: what matters of them is in the Document or the LoadError."""
    logging.getLogger(library).setLevel(logging.CRITICAL)


def _pypdf_lines(reader: object, number: int, deadline: float) -> list[Line] | None:
    if time.monotonic() > deadline:
        return None
    try:
        text = reader.pages[number].extract_text()  # type: ignore[attr-defined]
    except Exception:  # as above, for one page
        return None
    return [Line(line.encode(errors="ignore").decode()) for line in text.split("\n")]
