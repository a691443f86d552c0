"""A small SQLite file beside an index: answers by their key, and totals of all that was asked.

It is worth nothing that a question should fail for: if it can't be read or written it is left
alone, and if it is damaged it is dropped and made anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

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
# Seconds that a question waits for another process; what it has to write is not worth more.
_PATIENCE = 1.0
# Closing any descriptor of a file ends all locks that its process has on it (POSIX).
_ONE_OF_THE_PROCESS = threading.Lock()

T = TypeVar("T")


class Ledger:
    """The file at ``path``, which any number of threads and processes may share.

    Of more than ``most`` answers the oldest are deleted.
    """

    def __init__(self, path: Path, most: int = 1000) -> None:
        self.path = path
        self.most = most

    def find(self, key: bytes) -> bytes | None:
        """Return what was kept under a key, or None."""

        def read(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT answer, checksum FROM answers WHERE key = ?"
            row = connection.execute(query, (key,)).fetchone()
            return row[0] if row and row[1] == _checksum(key, row[0]) else None

        return self._use(read) if self.path.exists() else None

    def keep(self, key: bytes, answer: bytes) -> None:
        """Keep an answer under a key, in the place of what was there."""

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
        """Return what ``work`` does in one transaction; None if the file can't be used."""
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
        # SQLite gives its journal the mode of the file, which is the user's alone.
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
    """Say whether the file may be whole, and it is the disk or another process that refuses."""
    return getattr(error, "sqlite_errorcode", -1) & _PRIMARY_CODE in _OUT_OF_REACH


def _checksum(key: bytes, answer: bytes) -> bytes:
    return sha256(key + answer).digest()
