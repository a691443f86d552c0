"""PDF, read by PDFium, or by pypdf if PDFium fails or finds no text; scanned pages by OCR."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.ocr import LONGEST_SIDE, PageReader
from ingest.loaders.pdf_layout import pdf_document
from ingest.loaders.pdf_pages import Bookmark, Line, Page, PageState, PdfPages
from ingest.loaders.pdf_text import read_page
from ingest.loaders.pdf_words import mapped_page
from ingest.types import Document

# PDFium has global state: only one thread may use it at a time.
PDFIUM = threading.Lock()
_ENCRYPTED = "is encrypted: add its password to RAG_PASSWORDS"
_NO_TIME = "text recognition did not finish within the time limit"
# Chosen by hand.
_PYPDF_SECONDS = 15.0
_MOST_FAILURES = 1000
_MOST_BOOKMARKS = 10_000
_OCR_DPI = 300.0
_UNREADABLE = frozenset((PageState.SCANNED, PageState.UNMAPPED))


def load_pdf(content: bytes, options: LoadOptions) -> Document:
    """Return the text of a PDF with its pages; raises LoadError if it is encrypted or damaged."""
    pdf = _read_with_pdfium(content, options)
    if pdf is None or not pdf.has_text:
        other = _read_with_pypdf(content, options)
        pdf = other if pdf is None or (other and other.has_text) else pdf
    if pdf is None or not pdf.count:
        raise LoadError("is damaged or not really pdf")
    return pdf_document(pdf, len(content))


def _read_with_pdfium(content: bytes, options: LoadOptions) -> PdfPages | None:
    """Return the file as PDFium reads it; None if PDFium can't open it."""
    _silence("pypdfium2")
    with PDFIUM:
        file = open_pdf(content, options.passwords)
        if file is None:
            return None
        with closing(file):
            with suppress(pypdfium2.PdfiumError):
                file.init_forms()
            pages = _read_pages(len(file), lambda number: read_page(file, number), options)
            title, *changed = map(file.get_metadata_value, ("Title", "ModDate", "CreationDate"))
            outline = tuple(_outline(file))
            pdf = PdfPages(pages, len(file), outline, title, changed[0] or changed[1])
            return _with_recognised_text(pdf, file, options)


def open_pdf(content: bytes, passwords: Sequence[str]) -> pypdfium2.PdfDocument | None:
    """Return the file as PDFium opens it, None if it can't; only under the lock ``PDFIUM``.

    Raises:
        LoadError: If it is encrypted with another password.
    """
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(content, password=password)
        except pypdfium2.PdfiumError as error:
            if error.err_code != pdfium.FPDF_ERR_PASSWORD:
                return None
    raise LoadError(_ENCRYPTED)


def _read_pages(count: int, read: Callable[[int], Page], options: LoadOptions) -> tuple[Page, ...]:
    """Return the pages up to the last one that can be read, or to the deadline.

    A file may claim a million pages, so reading stops after many failures in a row.
    """
    pages: list[Page] = []
    read_to = 0
    for number in range(count):
        if options.expired:
            return (*pages, Page(state=PageState.LATE))
        pages.append(read(number))
        if pages[-1].state is not PageState.FAILED:
            read_to = len(pages)
        elif len(pages) - read_to > _MOST_FAILURES:
            break
    return tuple(pages[:read_to])


def _outline(file: pypdfium2.PdfDocument) -> Iterator[Bookmark]:
    for bookmark, _ in zip(file.get_toc(), range(_MOST_BOOKMARKS), strict=False):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        title = " ".join(bookmark.get_title().split())
        if page is not None and title:
            yield Bookmark(title, page, bookmark.level + 1)


def _with_recognised_text(
    pdf: PdfPages, file: pypdfium2.PdfDocument, options: LoadOptions
) -> PdfPages:
    """Return the pages with the text in scanned ones, as far as there is time and Tesseract."""
    pages = list(pdf.pages)
    without = [i for i, page in enumerate(pages) if page.state in _UNREADABLE]
    if not without:
        return pdf
    try:
        with PageReader() as reader:
            for i in without:
                page = _recognised(pages[i], file, i, reader, options)
                if options.expired:
                    return replace(pdf, pages=tuple(pages), unrecognised=_NO_TIME)
                pages[i] = page
    except UnsupportedError as error:
        return replace(pdf, unrecognised=str(error))
    return replace(pdf, pages=tuple(pages))


def _recognised(
    page: Page,
    file: pypdfium2.PdfDocument,
    number: int,
    reader: PageReader,
    options: LoadOptions,
) -> Page:
    with closing(file[number]) as shown:
        scale = min(_OCR_DPI / 72, LONGEST_SIDE / max(*shown.get_size(), 1.0))
        with closing(shown.render(scale=scale, grayscale=True)) as bitmap:
            text = reader.read(bitmap.to_pil(), scale * 72, options.deadline - time.monotonic())
    lines = tuple(map(Line, text.split("\n")))
    if text.strip():
        return Page(lines, PageState.RECOGNISED)
    return replace(page, state=PageState.PICTURE) if page.state is PageState.SCANNED else page


def _read_with_pypdf(content: bytes, options: LoadOptions) -> PdfPages | None:
    """Return the file as pypdf reads it, within a time limit; None if pypdf can't open it."""
    import pypdf

    _silence("pypdf")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not any(map(reader.decrypt, ("", *options.passwords))):
            raise LoadError(_ENCRYPTED)
        count = len(reader.pages)
    except LoadError:
        raise
    except Exception:  # pypdf raises many kinds of errors on damaged files
        return None
    limit = replace(options, deadline=min(options.deadline, time.monotonic() + _PYPDF_SECONDS))
    return PdfPages(_read_pages(count, lambda number: _pypdf_page(reader, number), limit), count)


def _silence(library: str) -> None:
    """Drop a parser's warnings: what matters of them is in the Document or the LoadError."""
    logging.getLogger(library).setLevel(logging.CRITICAL)


def _pypdf_page(reader: object, number: int) -> Page:
    try:
        text = reader.pages[number].extract_text()  # type: ignore[attr-defined]
    except Exception:  # as above, for one page
        return Page(state=PageState.FAILED)
    return mapped_page([Line(line.encode(errors="ignore").decode()) for line in text.split("\n")])
