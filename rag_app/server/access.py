"""Who asks the server, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """A caller, and the collections that they may read and write; None is every collection.

    Conversations and feedback belong to ``name``.
    """

    name: str
    read: frozenset[str] | None = None
    write: frozenset[str] | None = None

    def may_read(self, collection: str) -> bool:
        """Return whether the caller may ask and read a collection."""
        return self.read is None or collection in self.read

    def may_write(self, collection: str) -> bool:
        """Return whether the caller may change the documents of a collection."""
        return self.write is None or collection in self.write


LOCAL = Access("local")
