"""Conversations of a collection, kept in SQLite."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag_app.conversation import Turn
from rag_app.types import Answer

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, changed TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS turns (
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    n INTEGER NOT NULL, question TEXT NOT NULL, condensed TEXT NOT NULL, answer TEXT NOT NULL,
    PRIMARY KEY (conversation, n)
) STRICT, WITHOUT ROWID;
"""
_TITLE = 80  # characters of a question that become the title; chosen by hand


class NoConversationError(LookupError):
    """The caller has no conversation with this id."""


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation without its turns; ``changed`` is a time in UTC, ISO 8601."""

    id: str
    title: str
    changed: str


class ConversationStore:
    """The conversations of every caller; many threads may use it at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.executescript(_SCHEMA)

    def create(self, owner: str) -> StoredConversation:
        """Return a new conversation without turns."""
        new = StoredConversation(uuid.uuid4().hex, "", _now())
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, ?)",
                (new.id, owner, new.title, new.changed),
            )
        return new

    def of(self, owner: str) -> list[StoredConversation]:
        """Return the conversations of a caller, the last changed first."""
        query = (
            "SELECT id, title, changed FROM conversations WHERE owner = ? ORDER BY changed DESC, id"
        )
        with self._connected() as connection:
            return [StoredConversation(*row) for row in connection.execute(query, (owner,))]

    def read(self, owner: str, id: str) -> tuple[StoredConversation, list[Turn]]:
        """Return a conversation and its turns, oldest first; raises NoConversationError."""
        with self._connected() as connection:
            found = self._find(connection, owner, id)
            rows = connection.execute(
                "SELECT question, condensed, answer FROM turns WHERE conversation = ? ORDER BY n",
                (id,),
            ).fetchall()
        return found, [Turn(row[0], row[1], Answer.from_record(json.loads(row[2]))) for row in rows]

    def add(self, owner: str, id: str, turn: Turn) -> int:
        """Add a turn and return its number, from 1; raises NoConversationError.

        The first question becomes the title unless there is one.
        """
        with self._connected() as connection:
            found = self._find(connection, owner, id)
            query = "SELECT COALESCE(MAX(n), 0) + 1 FROM turns WHERE conversation = ?"
            (n,) = connection.execute(query, (id,)).fetchone()
            record = json.dumps(turn.answer.to_record(), ensure_ascii=False)
            connection.execute(
                "INSERT INTO turns VALUES (?, ?, ?, ?, ?)",
                (id, n, turn.question, turn.condensed, record),
            )
            title = found.title or " ".join(turn.question.split())[:_TITLE]
            connection.execute(
                "UPDATE conversations SET title = ?, changed = ? WHERE id = ?", (title, _now(), id)
            )
        return int(n)

    def rename(self, owner: str, id: str, title: str) -> StoredConversation:
        """Return the conversation with another title; raises NoConversationError."""
        with self._connected() as connection:
            found = self._find(connection, owner, id)
            connection.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, id))
        return StoredConversation(id, title, found.changed)

    def delete(self, owner: str, id: str) -> None:
        """Delete a conversation; raises NoConversationError."""
        with self._connected() as connection:
            self._find(connection, owner, id)
            connection.execute("DELETE FROM conversations WHERE id = ?", (id,))

    def _find(self, connection: sqlite3.Connection, owner: str, id: str) -> StoredConversation:
        row = connection.execute(
            "SELECT id, title, changed FROM conversations WHERE id = ? AND owner = ?", (id, owner)
        ).fetchone()
        if row is None:
            raise NoConversationError(f"there is no conversation '{id}'")
        return StoredConversation(*row)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which takes the write lock at its start."""
        with closing(sqlite3.connect(self._file, timeout=10, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
