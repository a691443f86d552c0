"""Verify an index: every row, checksum and derived file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from ingest.errors import IndexDamagedError
from ingest.index.atomic_files import MARKER, CommitMarker, read_marker
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG, current_version, find_leftovers, newest_version
from ingest.index.records import State
from ingest.index.salvage import Inspector
from ingest.index.snapshot import check_bases
from ingest.types import OnProgress, SyncProgress


@dataclass(frozen=True, slots=True)
class Damage:
    """A damage: what it is, in which file or document, and whether it is repaired without loss."""

    what: str
    where: str
    repaired: bool = False


@dataclass(slots=True)
class Check:
    """The result of checking a version.

    Attributes:
        files: Damages of files.
        documents: Damages of documents.
        state: The state row; None if it is damaged.
        marker: The commit marker; None if it is damaged.
        only_derived: Whether the catalog is undamaged.
        uncertain: Whether the last changes may be missing without a trace.
    """

    files: list[Damage] = field(default_factory=list)
    documents: list[Damage] = field(default_factory=list)
    state: State | None = None
    marker: CommitMarker | None = None
    only_derived: bool = False
    uncertain: bool = False

    @property
    def damages(self) -> tuple[Damage, ...]:
        """All damages."""
        return (*self.files, *self.documents)


def check_folder(index: Path) -> list[Damage]:
    """Return what is wrong in the folder of an index, outside its versions."""
    damages = []
    try:
        if current_version(index) is None:
            damages.append(Damage("is missing", "CURRENT"))
    except IndexDamagedError as error:
        damages.append(Damage(error.damage, "CURRENT"))
    try:
        with FileLock(index / "lock", timeout=0):
            left = find_leftovers(index)
    except (Timeout, OSError):  # a writer may be using them
        left = []
    names = (str(path.relative_to(index)) for path in left)
    return damages + [Damage("was left behind by a killed writer", name) for name in names]


def version_to_check(index: Path) -> Path | None:
    """Return the version in use or, if the pointer is missing or damaged, the newest."""
    try:
        return current_version(index) or newest_version(index)
    except IndexDamagedError:
        return newest_version(index)


def check_version(version: Path, progress: OnProgress) -> Check:
    """Check the catalog, row by row, and the derived files if the catalog is undamaged."""
    check = Check()
    name = f"{version.name}/{CATALOG}"
    try:
        check.marker = read_marker(version)
    except IndexDamagedError as error:
        check.files.append(Damage(error.damage, f"{version.name}/{MARKER}"))
        check.uncertain = _has_log(version)
    try:
        with closing(Catalog(version / CATALOG)) as catalog:
            with catalog.inspect() as inspector:
                check.state = inspector.readable_state()
                check.files += [Damage(what, name) for what in _check_catalog(inspector, check)]
                check.documents += _check_documents(inspector, check.state, name, progress)
            if not check.damages:
                check.only_derived = True
                check.files += _check_derived(catalog, version)
    except IndexDamagedError as error:
        check.only_derived = False
        check.files.append(Damage(error.damage, name))
    return check


def _has_log(version: Path) -> bool:
    """Return whether a killed writer left a write-ahead log, whose end may be lost."""
    log = version / f"{CATALOG}-wal"
    return log.is_file() and log.stat().st_size > 0


def _check_catalog(inspector: Inspector, check: Check) -> Iterator[str]:
    yield from inspector.structure()
    yield from inspector.damaged_vectors()
    yield from inspector.missing()
    if check.state and check.marker:
        try:
            check.marker.check(check.state)
        except IndexDamagedError as error:
            yield error.damage


def _check_documents(
    inspector: Inspector, state: State | None, catalog: str, progress: OnProgress
) -> Iterator[Damage]:
    total = state.documents if state else 0
    for done, found in enumerate(inspector.found(), 1):
        progress(SyncProgress(done, max(total, done), 0))
        if found.problems:
            yield Damage("; ".join(found.problems), found.row.source if found.row else catalog)


def _check_derived(catalog: Catalog, version: Path) -> list[Damage]:
    with catalog.read() as reader:
        problems = check_bases(reader, version)
    return [Damage(what, f"{version.name}/{name}") for name, what in problems.items()]
