"""Read files in worker processes, so that one that crashes, hangs or grows costs itself alone."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from ingest.errors import LoadError
from ingest.index.records import DocumentRow, Origin, Status
from ingest.settings import IndexSettings
from ingest.sync.scan import read_file
from ingest.text.languages import UNDETERMINED
from ingest.types import Document, FileSignature, Heading, Place

# The system counts computing time. A process that waits instead is ended after this many times as
# long; chosen by hand.
_PATIENCE = 2
_MB = 1_000_000
_START = "import sys; sys.path[:] = {}; from ingest.sync.worker import main; main()"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file as it was read: its row, its document, and the seconds that it took."""

    row: DocumentRow
    document: Document
    seconds: float


class Workers:
    """Processes that read the files of a folder, one for each core.

    A process that ends during its first file was ended by that file. One that ends later may have
    been worn out by those before, so the file is read again by a new process.
    """

    def __init__(self, settings: IndexSettings) -> None:
        self._settings = settings
        self._count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        self._count = self._count or os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._count, "rag-read")
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._running: set[WorkerProcess] = set()
        self._closed = False

    def load(self, files: Iterable[tuple[str, int, str]]) -> Iterator[Loaded]:
        """Yield the files in order; each is a source, its size, and the name of its loader."""
        ahead: deque[Future[Loaded]] = deque()
        for file in files:
            ahead.append(self._threads.submit(self._load, *file))
            if len(ahead) > 2 * self._count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        for process in list(self._running):
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._running:
            process.close()

    def _load(self, source: str, size: int, loader: str) -> Loaded:
        started = time.monotonic()
        reply = self._ask(self._request(source))
        if reply["status"] == "crashed":
            reply |= self._signature(source)
        row, document = _result(source, loader, reply)
        return Loaded(replace(row, size=size), document, time.monotonic() - started)

    def _signature(self, source: str) -> dict[str, Any]:
        """Return the part of a reply by which the next sync knows that a file is the same."""
        try:
            found = read_file(self._settings.documents / source, self._settings.max_file_mb * _MB)
        except LoadError:
            return {}
        return {"hash": found.content_hash.hex(), "signature": found.signature}

    def _request(self, source: str) -> dict[str, Any]:
        settings = self._settings
        return {
            "source": source,
            "path": str(settings.documents / source),
            "seconds": settings.parse_seconds,
            "memory": settings.parse_memory_mb * _MB,
            "max_bytes": settings.max_file_mb * _MB,
            "unpacked": settings.max_unpacked_mb * _MB,
            "text": settings.max_text_mb * _MB,
            "depth": settings.max_nesting,
            "passwords": [password.get_secret_value() for password in settings.passwords],
            "hint": " (RAG_PARSE_SECONDS)",
        }

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply of an idle process, or of a new one if that ends."""
        with suppress(queue.Empty):
            process = self._idle.get_nowait()
            reply = self._ask_one(process, request)
            if reply["status"] != "crashed":
                return reply
        return self._ask_one(self._start(), request)

    def _start(self) -> WorkerProcess:
        process = WorkerProcess()
        self._running.add(process)
        if self._closed:
            process.kill()
        return process

    def _ask_one(self, process: WorkerProcess, request: dict[str, Any]) -> dict[str, Any]:
        reply = process.ask(request)
        if reply["status"] == "crashed":
            process.close()
            self._running.discard(process)
        else:
            self._idle.put(process)
        return reply


class WorkerProcess:
    """A process that reads one file at a time, within limits."""

    def __init__(self) -> None:
        self._expired = False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply; its status is ``crashed``, with the reason, if the process ends.

        A request has the limits ``seconds``, of computing, and ``memory``, in bytes, and a ``hint``
        for the reason that it takes too long.
        """
        late = threading.Timer(_PATIENCE * request["seconds"], self._expire)
        late.daemon = True
        late.start()
        try:
            reply = self._exchange(json.dumps(request).encode())
        finally:
            late.cancel()
        if reply is None:
            return {"status": "crashed", "reason": self._reason(request)}
        return reply

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    def close(self) -> None:
        """End the process and wait until it has ended."""
        self.kill()
        with suppress(OSError):
            self._process.communicate()

    def _expire(self) -> None:
        self._expired = True
        self.kill()

    def _exchange(self, request: bytes) -> dict[str, Any] | None:
        """Send a request and return the reply, None if the process ends before."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(OSError):
            self._process.stdin.write(request + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            if line.endswith(b"\n"):
                return cast(dict[str, Any], json.loads(line))
        return None

    def _reason(self, request: dict[str, Any]) -> str:
        code = self._process.wait()
        if self._expired or code == -getattr(signal, "SIGXCPU", 0):
            return f"takes more than {request['seconds']} seconds to read{request['hint']}"
        if code == -getattr(signal, "SIGKILL", 0):
            return "needs more memory to read than this machine has"
        return "makes its parser crash"


def _result(source: str, loader: str, reply: dict[str, Any]) -> tuple[DocumentRow, Document]:
    """Return the row and document of a reply; if the file can't be read, the row has the reason."""
    document = Document("")
    if reply["status"] == "read":
        document = Document(
            text=reply["text"],
            places=tuple(Place(*place) for place in reply["places"]),
            headings=tuple(Heading(*heading) for heading in reply["headings"]),
            metadata=reply["metadata"],
            problems=tuple(reply["problems"]),
            unread=reply["unread"],
        )
        status = Status.PARTIAL if document.problems else Status.INDEXED
    else:
        status = Status.IGNORED if reply["status"] == "ignored" else Status.FAILED
    signature = reply.get("signature")
    row = DocumentRow(
        source=source,
        origin=Origin.FOLDER,
        content_hash=bytes.fromhex(reply.get("hash", "")),
        loader=loader,
        status=status,
        reason="; ".join(document.problems) or reply.get("reason", ""),
        language=reply.get("language", UNDETERMINED),
        signature=signature and FileSignature(*signature),
        metadata=document.metadata,
    )
    return row, document
