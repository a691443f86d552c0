"""Answer cache: return the stored answer while nothing that produced it has changed.

Best effort: a question never fails because of the cache. A cache file that can't be read or written
is left alone; a damaged one is replaced.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ingest import Place, RagError
from rag_app.prompts import load_prompt
from rag_app.settings import EXTRACTIVE, Settings, llm_names
from rag_app.telemetry import Clock, add_usage
from rag_app.types import Answer, ScoredChunk, Section

if TYPE_CHECKING:
    from ingest import Index

CACHE_FILE = "answers.sqlite"
_COUNTS = ("questions", "cached", "input_tokens", "output_tokens")
# All other settings are part of the key, so a new setting is included by default.
_WITHOUT_EFFECT = frozenset(
    (
        "cache documents exclude include index llm_timeout max_file_mb max_nesting max_text_mb "
        "max_unpacked_mb offline openai_api_key parse_memory_mb parse_seconds passwords "
        "server_token server_tokens show_thinking"
    ).split()
)


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A cached answer and the chunks it was made from, best first."""

    chunks: tuple[ScoredChunk, ...]
    answer: Answer


class CachedQuestion:
    """The cache entry of one question.

    Its key is a digest of the question, the filter, the settings that affect the answer, the prompt
    templates, the files of a local model and the state of the index. Nothing is cached at a
    temperature above 0, where answers vary, nor for ``extractive``, which is as fast as the search.
    """

    def __init__(
        self,
        settings: Settings,
        index: Index,
        question: str,
        filter: Mapping[str, str] | None,
    ) -> None:
        self._settings = settings
        self._index = index
        self._question = question
        self._filter = dict(filter or {})
        self._first, *_ = llm_names(settings.llm)
        self._file = _cache_file(settings)
        self._key = self._made_from()

    def recall(self) -> CachedAnswer | None:
        """Return the cached answer if its quotes still match the documents, else None."""
        clock = Clock()
        body = self._file.find(self._key) if self._key else None
        kept = self._checked(json.loads(body)) if body else None
        if kept is None:
            return None
        with clock:
            clock.done("recall", cached=True)
        self._file.count({"questions": 1, "cached": 1})
        usage = {"cached": 1, "dropped_chunks": kept.answer.usage.get("dropped_chunks", 0)}
        timings = clock.timings | {"total": clock.total}
        return replace(kept, answer=replace(kept.answer, usage=usage, timings=timings))

    def remember(self, chunks: tuple[ScoredChunk, ...], answer: Answer) -> None:
        """Count a new answer, and cache it if it is complete and by the preferred model.

        It is not cached if the index has changed since the question was asked.
        """
        self._file.count({"questions": 1, **add_usage({}, answer.usage)})
        if self._key is None or answer.usage.get("cut") or answer.llm != self._first:
            return
        with suppress(RagError):
            if self._made_from() == self._key:
                record = {"chunks": [_place(one) for one in chunks], "answer": answer.to_record()}
                self._file.keep(self._key, json.dumps(record).encode())

    def _made_from(self) -> bytes | None:
        """Return the key, or None if the answer must not be cached."""
        settings = self._settings
        if not settings.cache or settings.llm_temperature or self._first == EXTRACTIVE:
            return None
        version, state = self._index.current()
        models = (*llm_names(settings.llm), settings.rerank or "", settings.entailment or "")
        everything = [
            _version(),
            self._question,
            self._filter,
            settings.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT)),
            _prompts(settings.prompt),
            [_weights(model) for model in models],
            [version, asdict(state)],
        ]
        return sha256(json.dumps(everything, sort_keys=True).encode()).digest()

    def _checked(self, record: Mapping[str, Any]) -> CachedAnswer | None:
        """Return the cached answer with the texts of its chunks; None if the documents differ."""
        text = lru_cache(self._text)
        try:
            answer = Answer.from_record(record["answer"])
            chunks = tuple(_chunk(place, text(place["source"])) for place in record["chunks"])
        except (KeyError, TypeError):
            return None
        quotes = [text(one.source)[one.start : one.end] for one in answer.citations]
        exact = quotes == [one.quote for one in answer.citations]
        return CachedAnswer(chunks, answer) if exact else None

    def _text(self, source: str) -> str:
        document = self._index.document(source)
        return document.text if document else ""


def usage_totals(settings: Settings) -> dict[str, float]:
    """Return the usage totals of an index: questions, cached answers, tokens and cost."""
    totals = _cache_file(settings).totals()
    return {name: int(totals.get(name, 0)) for name in _COUNTS} | {"cost": totals.get("cost", 0.0)}


def count_usage(settings: Settings, usage: Mapping[str, float]) -> None:
    """Add usage that belongs to no answer, as of a rewritten question, to the totals."""
    _cache_file(settings).count(usage)


def _cache_file(settings: Settings) -> CacheFile:
    return CacheFile(settings.index / CACHE_FILE)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    with suppress(PackageNotFoundError):
        return version("rag-app")
    return ""


def _prompts(own: str | None) -> list[Any]:
    """Return the contents of the user's template and the digests of the bundled ones."""
    shipped = (path for path in files("rag_app.prompts").iterdir() if path.name.endswith(".yaml"))
    digests = sorted(sha256(path.read_bytes()).hexdigest() for path in shipped)
    return [asdict(load_prompt(own)) if own else None, *digests]


def _weights(llm: str) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of the files of a local model."""
    provider, _, model = llm.partition(":")
    if provider != "huggingface" or not model:
        return []
    path = Path(model).expanduser()
    found = [one for one in (path, *sorted(path.rglob("*"))) if one.is_file()]
    return [(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in found]


def _chunk(place: Mapping[str, Any], text: str) -> ScoredChunk:
    tuples: dict[str, Any] = {"headings": tuple(place["headings"])}
    tuples["places"] = tuple(Place(*one) for one in place["places"])
    tuples["sections"] = tuple(Section(at, tuple(titles)) for at, titles in place["sections"])
    return ScoredChunk(text=text[place["start"] : place["end"]], **{**place, **tuples})


def _place(chunk: ScoredChunk) -> dict[str, Any]:
    """Return a chunk without its text and sentences, which the index holds."""
    fields = asdict(chunk)
    del fields["text"], fields["sentences"]
    return fields


_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    answer BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT;
"""
_OUT_OF_REACH = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
_PRIMARY_CODE = 0xFF
# Seconds to wait for another process; chosen by hand, as a cache write is worth no more.
_PATIENCE = 1.0
# Closing any descriptor of a file releases all locks of the process on it (POSIX).
_ONE_OF_THE_PROCESS = threading.Lock()

T = TypeVar("T")


class CacheFile:
    """The SQLite file at ``path``; any number of threads and processes may share it.

    It holds the newest ``most`` answers, and the usage totals.
    """

    def __init__(self, path: Path, most: int = 1000) -> None:
        self.path = path
        self.most = most

    def find(self, key: bytes) -> bytes | None:
        """Return the answer under a key, or None."""

        def read(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT answer, checksum FROM answers WHERE key = ?"
            row = connection.execute(query, (key,)).fetchone()
            return row[0] if row and row[1] == _checksum(key, row[0]) else None

        return self._use(read) if self.path.exists() else None

    def keep(self, key: bytes, answer: bytes) -> None:
        """Store an answer under a key, replacing the one before."""

        def write(connection: sqlite3.Connection) -> None:
            row = (key, answer, _checksum(key, answer))
            connection.execute(
                "INSERT OR REPLACE INTO answers (key, answer, checksum) VALUES (?, ?, ?)", row
            )
            connection.execute(
                "DELETE FROM answers WHERE id <= (SELECT max(id) FROM answers) - ?", (self.most,)
            )

        self._use(write)

    def count(self, amounts: Mapping[str, float]) -> None:
        """Add to the totals."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO totals VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                amounts.items(),
            )

        self._use(write)

    def totals(self) -> dict[str, float]:
        """Return the totals; empty before the first :meth:`count`."""

        def read(connection: sqlite3.Connection) -> dict[str, float]:
            return dict(connection.execute("SELECT name, value FROM totals"))

        return (self._use(read) if self.path.exists() else None) or {}

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run ``work`` in one transaction; return None if the file can't be used."""
        with _ONE_OF_THE_PROCESS, suppress(OSError, sqlite3.Error):
            try:
                return self._transact(work)
            except sqlite3.Error as error:
                if _is_out_of_reach(error):
                    raise
                self._drop()
                return self._transact(work)
        return None

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Readable by the user alone; SQLite gives its journal the same mode.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as connection, connection:
            # A killed process loses nothing; only a crash of the system may damage the file.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(_SCHEMA)
            return work(connection)

    def _drop(self) -> None:
        for suffix in ("-journal", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _is_out_of_reach(error: sqlite3.Error) -> bool:
    """Return whether the disk or another process refuses, so the file may be intact."""
    return getattr(error, "sqlite_errorcode", -1) & _PRIMARY_CODE in _OUT_OF_REACH


def _checksum(key: bytes, answer: bytes) -> bytes:
    return sha256(key + answer).digest()
