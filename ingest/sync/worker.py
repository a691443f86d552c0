"""The process that reads files and draws pages, started by :mod:`ingest.sync.workers`.

It reads requests from stdin and writes replies to stdout, each a line of JSON; it never outlives
either. What a parser prints is dropped.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders import LoadOptions, load_document
from ingest.loaders.signatures import foreign_kind
from ingest.sync.scan import read_file, read_head
from ingest.text.languages import identify_language
from ingest.types import Document

# What a loader that reads part by part may use of the time, so that it can return what it has.
_LOADER_SHARE = 0.8
_HEAD = 4096  # bytes


def main() -> None:
    """Answer requests until stdin ends."""
    replies = _take_stdout()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit(request["seconds"], request["memory"])
        reply = json.dumps(_reply(request)).encode()
        replies.write(reply + b"\n")
        replies.flush()


def _take_stdout() -> IO[bytes]:
    """Return the real stdout, and let everything that is printed go nowhere."""
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return replies


def _limit(seconds: int, memory: int) -> None:
    """Let the system end this process beyond its limits, where it can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        used = int(usage.ru_utime + usage.ru_stime)
        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (used + seconds + 1, most))
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reply(request: Mapping[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = {"status": "failed", "hash": "", "signature": None}
    try:
        reply |= _picture(request) if "page" in request else _text(request, reply)
    except UnsupportedError as error:
        return reply | {"status": "ignored", "reason": str(error)}
    except LoadError as error:
        return reply | {"reason": str(error)}
    except RecursionError:
        return reply | {"reason": "is nested too deep to be read"}
    except MemoryError:
        megabytes = request["memory"] // 1_000_000
        reason = f"needs more than {megabytes:,} MB of memory to read (RAG_PARSE_MEMORY_MB)"
        return reply | {"status": "crashed", "reason": reason}
    return reply


def _text(request: Mapping[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """Return the text of a file; ``reply`` gets what is known even if it can't be read."""
    path = Path(request["path"])
    head, signature = read_head(path, _HEAD)
    # A video may be larger than the limit, and need not be read for that.
    if what := foreign_kind(head):
        reply["signature"] = signature
        raise UnsupportedError(f"is {what}, which is not read")
    found = read_file(path, request["max_bytes"])
    reply |= {"hash": found.content_hash.hex(), "signature": found.signature}
    options = LoadOptions(
        passwords=tuple(request["passwords"]),
        depth=request["depth"],
        unpacked_bytes=request["unpacked"],
        deadline=time.monotonic() + _LOADER_SHARE * request["seconds"],
    )
    document = _cut(load_document(request["source"], found.content, options), request["text"])
    return {
        "status": "read",
        "text": document.text,
        "places": document.places,
        "headings": [(one.start, one.level, one.title) for one in document.headings],
        "metadata": dict(document.metadata),
        "problems": document.problems,
        "unread": document.unread,
        "language": identify_language(document.text),
    }


def _picture(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of the PDF that was indexed, with a quote highlighted."""
    from ingest.loaders.pdf_highlights import draw_page

    found = read_file(Path(request["path"]), request["max_bytes"])
    if found.content_hash.hex() != request["hash"]:
        raise LoadError("has changed since it was indexed: run 'rag index'")
    span = request["text"], request["start"], request["end"]
    drawn = draw_page(found.content, request["passwords"], request["page"], *span)
    return {"status": "read", **asdict(drawn), "png": b64encode(drawn.png).decode()}


def _cut(document: Document, limit: int) -> Document:
    """Return the document with at most ``limit`` characters."""
    size = len(document.text)
    if size <= limit:
        return document
    return replace(
        document,
        text=document.text[:limit],
        places=tuple(one for one in document.places if one.start < limit),
        headings=tuple(one for one in document.headings if one.start < limit),
        problems=(
            *document.problems,
            f"only the first {limit:,} of {size:,} characters are read (RAG_MAX_TEXT_MB)",
        ),
        unread=1 - (1 - document.unread) * limit / size,
    )
