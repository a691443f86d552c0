"""Turn the pages of a PDF into a document."""

from __future__ import annotations

from itertools import accumulate

from ingest.loaders.metadata import stated
from ingest.loaders.pdf_headings import enlarged, outlined
from ingest.loaders.pdf_pages import PageState, PdfPages
from ingest.loaders.pdf_words import LETTERS, tidy
from ingest.loaders.running_lines import without_running_lines
from ingest.types import Document, Place

# One line break, so that a sentence may continue on the next page.
_PAGE_BREAK = "\n"


def pdf_document(pdf: PdfPages, size: int) -> Document:
    """Return the text of the pages with its headings, and as problems the pages without.

    ``size`` is that of the file, in bytes.
    """
    pages = without_running_lines([tidy(page.lines) for page in pdf.pages])
    texts = ["\n".join(line.text for line in page) for page in pages]
    starts = list(accumulate((len(text) + len(_PAGE_BREAK) for text in texts), initial=0))[:-1]
    text = _PAGE_BREAK.join(texts)
    title = " ".join(pdf.title.translate(LETTERS).split())
    recognised = pdf.ranges(PageState.RECOGNISED)
    return Document(
        text,
        places=tuple(Place(at, f"page {n}", n) for n, at in enumerate(starts, 1)),
        headings=tuple(outlined(pdf.outline, text, starts) or enlarged(pages, starts)),
        metadata=stated(title, pdf.changed) | ({"ocr": recognised} if recognised else {}),
        problems=tuple(pdf.problems()),
        unread=pdf.unread(len(text.strip()), size),
    )
