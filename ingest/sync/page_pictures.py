"""Draw pages of indexed PDFs in a process with limits, as they were read in one."""

from __future__ import annotations

from base64 import b64decode
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from ingest.errors import LoadError, MissingExtraError, UsageError
from ingest.index.records import DocumentRow, Origin
from ingest.index.vectorstore import Index
from ingest.loaders.pdf_pages import Box, PagePicture
from ingest.settings import IndexSettings
from ingest.sync.workers import WorkerProcess
from ingest.types import Document

# Of computing; a process that waits instead is ended after twice as long. Chosen by hand.
_SECONDS = 5
_MB = 1_000_000


class PagePictures:
    """Draws pages, one at a time, in a process that is kept for the next one.

    A file that makes it crash, hang or grow costs that process alone.
    """

    def __init__(self, settings: IndexSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._process: WorkerProcess | None = None

    def draw(self, index: Index, source: str, page: int, start: int, end: int) -> PagePicture:
        """Return a page of a PDF with what is on it of a span of the document highlighted.

        Args:
            index: The index that holds the document.
            source: The document.
            page: Page, counted from 1.
            start: Offset of the span in the document's text.
            end: Offset after the span.

        Raises:
            MissingExtraError: If the library for pictures is not installed.
            UsageError: If there is no such document or page.
            LoadError: If the file is gone or has changed, or can't be drawn within the limits.
        """
        if find_spec("PIL") is None:
            raise MissingExtraError("drawing pages", "server")
        request = self._request(index, source, page, start, end)
        with self._lock:
            reply = self._ask(request)
        if reply["status"] != "read":
            raise LoadError(f"page {page} of '{source}' is not shown: the file {reply['reason']}")
        boxes = tuple(Box(*box) for box in reply["boxes"])
        return PagePicture(b64decode(reply["png"]), reply["width"], reply["height"], boxes)

    def close(self) -> None:
        """End the process, even while it draws."""
        if process := self._process:
            process.kill()
        with self._lock:
            self._end()

    def _request(
        self, index: Index, source: str, page: int, start: int, end: int
    ) -> dict[str, Any]:
        row, document = _indexed(index, source)
        first, last = _page_span(source, document, page)
        settings = self._settings
        return {
            "path": str(Path(index.state().folder or settings.documents) / source),
            "hash": row.content_hash.hex(),
            "page": page,
            "text": document.text[first:last],
            "start": max(start, first) - first,
            "end": max(min(end, last), first) - first,
            "seconds": _SECONDS,
            "hint": "",
            "memory": settings.parse_memory_mb * _MB,
            "max_bytes": settings.max_file_mb * _MB,
            "passwords": [password.get_secret_value() for password in settings.passwords],
        }

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.has_ended:
            self._end()
            self._process = WorkerProcess()
        reply = self._process.ask(request)
        if reply["status"] == "crashed":
            self._end()
        return reply

    def _end(self) -> None:
        if self._process:
            self._process.close()
            self._process = None


def _indexed(index: Index, source: str) -> tuple[DocumentRow, Document]:
    found = index.entry(source)
    if found is None or found[0].origin is Origin.ADDED:
        raise UsageError(f"the index holds no file '{source}'")
    return found


def _page_span(source: str, document: Document, page: int) -> tuple[int, int]:
    """Return the offsets of a page in the document's text; raises UsageError without it."""
    starts = {place.page: place.start for place in document.places if place.page is not None}
    if page not in starts:
        have = f"it has {len(starts):,}" if starts else "it has none"
        raise UsageError(f"'{source}' has no page {page}: {have}")
    return starts[page], starts.get(page + 1, len(document.text))
