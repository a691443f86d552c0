"""The files in a file, such as the members of an archive or the attachments of a message."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.blocks import join_documents
from ingest.loaders.load_options import LoadMember, LoadOptions
from ingest.text.printable import printable
from ingest.types import Document

# Chosen by hand.
_MOST_NAMES, _MOST_PROBLEMS = 3, 20
_LONGEST_NAME, _LONGEST_REASON = 200, 300


class Members:
    """Loads files in a file, and keeps what they hold or why they could not be read."""

    def __init__(self, what: str, options: LoadOptions, load: LoadMember) -> None:
        """``what`` is the name of one in a message, such as ``attachment``."""
        self._what = what
        self._load = load
        self._limit = self._left = options.unpacked_bytes
        self._documents: list[tuple[str, Document]] = []
        self._failures: dict[str, list[str]] = {}
        self._unsupported: list[str] = []
        self._notes: list[str] = []
        self._read = self._lost = 0

    @property
    def left(self) -> int:
        """How many bytes may still be unpacked."""
        return max(self._left, 0)

    @property
    def is_foreign(self) -> bool:
        """Whether there are files of kinds that are not read, and no others."""
        return bool(self._unsupported) and not (self._documents or self._failures or self._notes)

    def add(self, name: str, content: bytes) -> None:
        """Load a file, if the limit allows it; an empty one holds nothing to miss."""
        if len(content) > self.left:
            self.fail(name, self.limit_reason, len(content))
            return
        self._left -= len(content)
        if not content.strip():
            return
        try:
            document = self._load(name, content)
        except UnsupportedError:
            self._unsupported.append(name)
        except LoadError as error:
            self.fail(name, str(error), len(content))
        else:
            self._left += min(len(content), len(document.text))
            self.add_document(name, document)

    def add_document(self, name: str, document: Document) -> None:
        """Add a file that is read already."""
        self._left -= len(document.text)
        self._read += len(document.text)
        self._documents.append((name, document))

    def fail(self, name: str, reason: str, size: int = 0) -> None:
        """Note that a file of ``size`` bytes could not be read."""
        self._lost += max(size, 1)
        self._failures.setdefault(reason[:_LONGEST_REASON], []).append(name)

    def stop(self, why: str) -> None:
        """Note that the files from here on are not read."""
        self._lost += 1
        self._notes.append(f"other {self._what}s were not read: {why}")

    @property
    def limit_reason(self) -> str:
        """Why a file is not read that would unpack to more than is left."""
        return f"more than {self._limit / 1e6:,.0f} MB would be unpacked"

    def joined(self, own: Sequence[Document] = ()) -> Document:
        """Return text of the file itself and the files in it, by name, as one document."""
        named = sorted(self._documents, key=lambda one: one[0])
        joined = join_documents((*(("", document) for document in own), *named))
        read = self._read + sum(len(document.text) for document in own)
        share = self._lost / (self._lost + read) if self._lost else 0.0
        return Document(
            joined.text,
            joined.places,
            joined.headings,
            problems=_first((*joined.problems, *self.problems)),
            unread=1 - (1 - joined.unread) * (1 - share),
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, each reason once."""
        found = []
        for reason, names in self._failures.items():
            if len(names) <= _MOST_NAMES:
                found += [f"{name}: {reason}" for name in names]
            else:
                found.append(f"{len(names):,} {self._what}s, such as {names[0]}: {reason}")
        if count := len(self._unsupported):
            kinds = "a kind that is" if count == 1 else "kinds that are"
            plural = "s" * (count > 1)
            first = ", ".join(self._unsupported[:_MOST_NAMES]) + ", …" * (count > _MOST_NAMES)
            found.append(f"{count:,} {self._what}{plural} of {kinds} not read: {first}")
        return _first((*found, *self._notes))


def clean_name(name: str) -> str:
    """Return the name of a file in a file as a relative path that is safe to show."""
    parts = printable(name.replace("\\", "/")).replace("\n", " ").split("/")
    path = "/".join(" ".join(one.split()) for one in parts if one.strip(". ") and one[1:] != ":")
    return path if len(path) <= _LONGEST_NAME else "…" + path[-_LONGEST_NAME:]


def _first(problems: tuple[str, ...]) -> tuple[str, ...]:
    more = len(problems) - _MOST_PROBLEMS
    return problems if more <= 0 else (*problems[:_MOST_PROBLEMS], f"and {more:,} more problems")
