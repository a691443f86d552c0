"""What each kind of change does when nothing disturbs it, and how an index is judged by that."""

from __future__ import annotations

import pickle
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changes import CHANGES, Change, add_notes
from corpus import Hits, answers, word_embedding
from processes import same, start
from shim import arm, is_loaded, seen

from ingest import Index, IndexMissingError, IndexSettings, sync_folder

LONGEST = 600  # seconds: only stops what hangs
_FILE_AT_REST = re.compile(r"lock|CURRENT|v\d+|v\d+/(catalog\.sqlite|committed|base-\d+\.bin)")
# A kill can't show what a power cut loses: the file before the rename, and then its new name.
_UNSAFE_RENAME = re.compile("[^s]r|r[^s]|r$")
_LOG = re.compile(r"v\d+/catalog\.sqlite-(wal|shm)")


@dataclass(frozen=True, slots=True)
class Committed:
    """A state that a change commits; ``answers`` is None where there is no index yet.

    ``to_embed`` is how many texts are embedded when the change is made again from there.
    """

    answers: list[Hits] | None
    to_embed: int


@dataclass(frozen=True, slots=True)
class Reference:
    """What a change does when nothing disturbs it.

    Attributes:
        states: What it commits, the state before it first.
        clean: What an index answers that is made anew from the same documents.
        calls: The kinds of the calls it makes, one letter each; empty without the shim.
        seconds: How long it takes.
    """

    states: tuple[Committed, ...]
    clean: list[Hits]
    calls: str
    seconds: float

    def flaw(self, change: Change) -> str:
        """Return what is wrong with how a change is made when nothing disturbs it."""
        found = [state.answers for state in self.states]
        if _UNSAFE_RENAME.search(self.calls):
            return f"{change.name}: a rename is not between two fsyncs"
        if not _equal(found[-1], self.clean):
            return f"{change.name}: it does not end like a clean build"
        for state in found:
            ends = _equal(state, found[0]) or _equal(state, found[-1])
            if not ends and (change.is_one or not _is_between(state, found[0], found[-1])):
                return f"{change.name}: it commits a part that is no batch of whole documents"
        return ""

    def problem(self, change: Change, settings: IndexSettings) -> str:
        """Return what is wrong with an index after a change that failed; make it again."""
        found = current_answers(settings)
        to_embed = [state.to_embed for state in self.states if _equal(found, state.answers)]
        if not to_embed:
            return f"the answers are of no committed state: {found}"
        report = (change.again or change.make)(settings)
        embedded = getattr(report, "embedded", 0)
        if embedded > max(to_embed):
            return f"{embedded} texts were embedded, {max(to_embed)} were missing"
        if not _equal(current_answers(settings), self.clean):
            return "the next change does not end like a clean build"
        left = leftovers(settings.index)
        return f"there are left {', '.join(left)}" if left else ""

    def knows(self, found: list[Hits] | None) -> bool:
        """Return whether the answers are those of a committed state."""
        return any(_equal(found, state.answers) for state in self.states)


def prepare(number: int, folder: Path) -> Reference:
    """Make the state before a change in ``folder``, run it undisturbed and return what it does."""
    child = start(_note_reference, number, folder)
    child.join(LONGEST)
    if child.exitcode != 0:
        raise RuntimeError(f"the change '{CHANGES[number].name}' fails when nothing disturbs it")
    return load_reference(number, folder)


def load_reference(number: int, folder: Path) -> Reference:
    """Return what :func:`prepare` returned."""
    reference: Reference = pickle.loads(_reference_path(number, folder).read_bytes())
    return reference


def copy_index(number: int, folder: Path, copy: Path) -> IndexSettings:
    """Return settings for a copy of the index before a change, or for none if there is none."""
    settings = _settings(number, folder)
    if settings.index.exists():
        shutil.copytree(settings.index, copy)
    return settings.model_copy(update={"index": copy})


def current_answers(settings: IndexSettings) -> list[Hits] | None:
    """Return what an index answers, or None if there is none."""
    try:
        return answers(settings, word_embedding())
    except IndexMissingError:
        return None


def leftovers(index: Path, at_rest: bool = True) -> list[str]:
    """Return the files of an index that no finished change leaves.

    The write-ahead log of one ``at_rest`` is empty; readers leave it there.
    """
    pointer = index / "CURRENT"
    used = pointer.read_bytes().decode().split() if pointer.exists() else []
    bases: dict[str, int] = {}
    left = []
    for path in sorted(index.rglob("*")):
        name = path.relative_to(index).as_posix()
        version, _, file = name.partition("/")
        bases[version] = bases.get(version, 0) + file.startswith("base-")
        dead = version.startswith("v") and version not in used
        logged = name.endswith("-wal") and path.stat().st_size > 0
        known = _FILE_AT_REST.fullmatch(name) or (_LOG.fullmatch(name) and not (at_rest and logged))
        if dead or not known or (at_rest and bases[version] > 1):
            left.append(name)
    return left


def _settings(number: int, folder: Path) -> IndexSettings:
    place = folder / f"change{number}"
    return IndexSettings(documents=place / "documents", index=place / "index")


def _reference_path(number: int, folder: Path) -> Path:
    return folder / f"change{number}" / "reference"


def _note_reference(number: int, folder: Path) -> None:
    change, settings = CHANGES[number], _settings(number, folder)
    settings.documents.mkdir(parents=True)
    change.lower_limits()
    change.prepare(settings)
    states = _note_states(change, copy_index(number, folder, settings.index.with_name("noted")))
    clean = settings.model_copy(update={"index": settings.index.with_name("clean")})
    sync_folder(clean)
    if change.notes:
        add_notes(clean, change.notes)
    calls, seconds = _note_calls(change, copy_index(number, folder, folder / f"timed{number}"))
    reference = Reference(tuple(states), answers(clean, word_embedding()), calls, seconds)
    _reference_path(number, folder).write_bytes(pickle.dumps(reference))


def _note_states(change: Change, settings: IndexSettings) -> list[Committed]:
    """Make the change, and note the state after each step that may commit one."""
    copies: list[Path] = []

    def copy() -> None:
        copies.append(settings.index.with_name(f"copy{len(copies)}"))
        if settings.index.exists():
            shutil.copytree(settings.index, copies[-1])

    def noting(step: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            result = step(*arguments, **options)
            copy()
            return result

        return noted

    copy()
    kept = {name: getattr(Index, name) for name in ("apply", "use")}
    for name, step in kept.items():
        setattr(Index, name, noting(step))
    change.make(settings)
    for name, step in kept.items():
        setattr(Index, name, step)
    return [_note_state(change, settings.model_copy(update={"index": path})) for path in copies]


def _note_state(change: Change, settings: IndexSettings) -> Committed:
    found = current_answers(settings)
    report = (change.again or change.make)(settings)
    return Committed(found, getattr(report, "embedded", 0))


def _note_calls(change: Change, settings: IndexSettings) -> tuple[str, float]:
    """Return the calls that the change makes, and its time in seconds."""
    started = time.monotonic()
    if is_loaded():
        arm(settings.index, 0)
    change.make(settings)
    return seen() if is_loaded() else "", time.monotonic() - started


def _equal(found: list[Hits] | None, expected: list[Hits] | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return all(same(one, other) for one, other in zip(found, expected, strict=True))


def _is_between(
    found: list[Hits] | None, before: list[Hits] | None, after: list[Hits] | None
) -> bool:
    """Return whether each document is wholly as it was before or after."""
    middle, ends = _documents(found), (_documents(before), _documents(after))
    sources = {*middle, *ends[0], *ends[1]}
    return all(middle.get(source) in [end.get(source) for end in ends] for source in sources)


def _documents(found: list[Hits] | None) -> dict[str, list[tuple[int, int, str]]]:
    """Return the chunks of each document that is found."""
    documents: dict[str, list[tuple[int, int, str]]] = {}
    for source, start_, end, text, *_ in found[0] if found else []:
        documents.setdefault(source, []).append((start_, end, text))
    return documents
