"""Any sequence of changes to a folder, with syncs in between, against an index made at once."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
from corpus import QUESTIONS, WORDS, hits, word_embedding
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from outcome import Outcome
from processes import run_clean, same, use_word_embedding

from ingest import Index, IndexSettings, SyncReport, UsageError, sync_folder
from ingest.index import snapshot
from ingest.sync import scan

# The times of a file tell two writes apart if this lies between them: ext4's clock ticks every
# 4 ms. The product trusts no file system to be better than two seconds, which no test can wait for.
_CLOCK_RESOLUTION_NS = 20_000_000
_BINARY = b"\0\1\2\3"
_TAIL_LIMIT = 5
_STEPS = 25
_EXAMPLES = 10
_SECONDS = {"long ago": 1_000_000_000, "soon": 4_000_000_000, "now": None}

names = st.sampled_from(
    ["a.md", "b.md", "c.txt", "sub/d.md", "sub/e.txt", "sub/deep/f.md", "ação.txt", "z z.md"]
)
seeds = st.integers(0, 30)
positions = st.integers(0, 7)
ids = st.sampled_from(["note1", "note2", "note3"])


class Tally:
    """What has been done so far, by all machines of this process."""

    steps = 0
    syncs = 0


class Following(RuleBasedStateMachine):
    """A folder, the index that follows it, and a reader that stays open."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="stateful-"))
        self.settings = IndexSettings(documents=self.root / "documents", index=self.root / "index")
        self.embedding = word_embedding()
        self.added: dict[str, str] = {}
        self.reader: Index | None = None

    @initialize(first=seeds)
    def begin(self, first: int) -> None:
        self._write("a.md", _text(first))
        self._write("b.md", _text(first + 1))
        sync_folder(self.settings)
        self.reader = Index.open(self.settings.index, self.embedding)

    @rule(name=names, text=seeds)
    def write(self, name: str, text: int) -> None:
        self._step()
        self._write(name, _text(text))

    @rule(at=positions, when=st.booleans())
    def edit_without_a_trace(self, at: int, when: bool) -> None:
        """Change letters and put size and times back, as far as a program can."""
        self._step()
        path = self._file(at)
        before = path.stat()
        text = path.read_text("utf-8")
        path.write_text(text.replace("stone", "STONE").replace("o", "0", 1), encoding="utf-8")
        if when:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(at=positions, text=seeds)
    def replace_by_another_file(self, at: int, text: int) -> None:
        """Save as editors do: a new file takes the name, with the times of the old one."""
        self._step()
        path = self._file(at)
        before, new = path.stat(), self.root / "new"
        new.write_text(_text(text), encoding="utf-8")
        os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
        new.replace(path)

    @rule(at=positions, name=names)
    def rename(self, at: int, name: str) -> None:
        self._step()
        path, target = self._file(at), self.settings.documents / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)

    @rule(one=positions, other=positions)
    def swap(self, one: int, other: int) -> None:
        self._step()
        first, second, aside = self._file(one), self._file(other), self.root / "aside"
        if first != second:
            first.rename(aside)
            second.rename(first)
            aside.rename(second)

    @rule(at=positions, name=names)
    def copy(self, at: int, name: str) -> None:
        self._step()
        target = self.settings.documents / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(shutil.SameFileError):
            shutil.copy2(self._file(at), target)

    @precondition(lambda self: len(self._files()) > 1)
    @rule(at=positions)
    def delete(self, at: int) -> None:
        self._step()
        self._file(at).unlink()

    @rule(at=positions, when=st.sampled_from(list(_SECONDS)))
    def touch(self, at: int, when: str) -> None:
        """Set the times of a file, as a wrong clock or an archive does."""
        self._step()
        seconds = _SECONDS[when]
        os.utime(self._file(at), None if seconds is None else (seconds, seconds))

    @rule(at=positions)
    def spoil(self, at: int) -> None:
        """Make a file one that can't be loaded; a later write makes it good."""
        self._step()
        self._file(at).write_bytes(_BINARY)

    @rule(name=ids, text=seeds)
    def add_document(self, name: str, text: int) -> None:
        self._step()
        self.added[name] = _text(text)
        self._reader.add_texts([self.added[name]], ids=[name])

    @rule(name=ids)
    def delete_document(self, name: str) -> None:
        self._step()
        self.added.pop(name, None)
        self._reader.delete([name])

    @rule(settled=st.booleans())
    def sync(self, settled: bool) -> None:
        """Sync; if files are settled first, their signatures are trusted from then on."""
        self._step()
        if settled:
            time.sleep(2 * _CLOCK_RESOLUTION_NS / 1e9)
        self._check(sync_folder(self.settings))

    @rule()
    def sync_once_more(self) -> None:
        self.sync(True)

    @rule()
    def rebuild(self) -> None:
        self._step()
        self._check(sync_folder(self.settings, rebuild=True))

    @rule()
    def sync_without_documents(self) -> None:
        """Try a sync while the folder is not there, as when a disk is not mounted."""
        self._step()
        aside = self.settings.documents.rename(self.root / "aside")
        with pytest.raises(UsageError):
            sync_folder(self.settings)
        aside.rename(self.settings.documents)

    def teardown(self) -> None:
        if self.reader:
            self._check(sync_folder(self.settings))
            self.reader.close()
        shutil.rmtree(self.root)

    @property
    def _reader(self) -> Index:
        assert self.reader
        return self.reader

    def _check(self, report: SyncReport) -> None:
        """Compare a synced index with one made at once."""
        Tally.syncs += 1
        files = self._files()
        unreadable = {self._source(path) for path in files if path.read_bytes() == _BINARY}
        done = report.new + report.changed + report.renamed + report.unchanged
        assert {problem.source for problem in report.failed} == unreadable
        assert done + len(report.failed) == len(files)
        self._compare()
        before = self._reader.status()
        again = sync_folder(self.settings)
        assert again.unchanged == len(files) - len(unreadable)
        assert (again.new, again.changed, again.renamed, again.deleted) == (0, 0, 0, 0)
        assert again.embedded == 0
        assert again.failed == report.failed == before.failed
        assert self._reader.status().generation == before.generation

    def _compare(self) -> None:
        fresh = self.settings.model_copy(update={"index": self.root / "fresh"})
        sync_folder(fresh)
        with (
            closing(Index.open(fresh.index, self.embedding)) as expected,
            closing(Index.open(self.settings.index, self.embedding)) as reopened,
        ):
            expected.add_texts(list(self.added.values()), ids=list(self.added))
            for question in QUESTIONS:
                clean = hits(expected, question)
                assert clean or not expected.status().chunks
                assert same(hits(self._reader, question), clean)
                assert same(hits(reopened, question), clean)
            counted = [expected.status(), reopened.status(), self._reader.status()]
            assert len({(status.documents, status.chunks) for status in counted}) == 1
        shutil.rmtree(fresh.index)

    def _step(self) -> None:
        Tally.steps += 1

    def _files(self) -> Sequence[Path]:
        return sorted(path for path in self.settings.documents.rglob("*") if path.is_file())

    def _file(self, at: int) -> Path:
        files = self._files()
        return files[at % len(files)]

    def _source(self, path: Path) -> str:
        return path.relative_to(self.settings.documents).as_posix()

    def _write(self, name: str, text: str) -> None:
        path = self.settings.documents / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def stateful(count: int, folder: Path) -> Outcome:
    """Take at least ``count`` steps."""
    return run_clean(_stateful, count, folder)


def _stateful(count: int, folder_of_trial: Path) -> Outcome:
    use_word_embedding()
    vars(scan)["_CLOCK_RESOLUTION_NS"] = _CLOCK_RESOLUTION_NS
    snapshot.TAIL_LIMIT = _TAIL_LIMIT
    tempfile.tempdir = str(folder_of_trial)
    breaks: list[str] = []
    for number in range(count):
        try:
            run_state_machine_as_test(
                seed(number)(type("Numbered", (Following,), {})), settings=_settings(count)
            )
        except Exception as error:
            notes = "; ".join(getattr(error, "__notes__", ()))
            breaks.append(f"{type(error).__name__} {error} {notes}".replace("\n", " | "))
        if Tally.steps >= count or breaks:
            break
    return Outcome(
        promise="any edits, renames, clock skews, syncs: incremental equals a full rebuild",
        tried=Tally.steps,
        kept=Tally.steps - len(breaks),
        breaks=tuple(breaks),
        facts=(("syncs compared", Tally.syncs),),
    )


def _text(number: int) -> str:
    """Return a text of one to four paragraphs; the longest make several chunks."""
    choose = random.Random(number)
    paragraphs = [
        " ".join(choose.choices(WORDS, k=choose.choice((4, 30, 120)))) + "."
        for _ in range(choose.randint(1, 4))
    ]
    return "\n\n".join((f"# Part {number}", *paragraphs))


def _settings(count: int) -> settings:
    return settings(
        max_examples=min(_EXAMPLES, -(-count // _STEPS)),
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        # Shrinking a failure takes minutes, as each try is a real sync.
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
