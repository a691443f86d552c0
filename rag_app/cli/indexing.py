"""``rag index`` and ``rag status``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Debug, Index, Quiet
from rag_app.cli.output import note, print_json, printable

if TYPE_CHECKING:
    from ingest import FileProblem, SyncProgress, SyncReport


def index(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Folder of the documents.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change and change nothing.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build a new index and switch to it.")
    ] = False,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Bring the index in step with a folder of documents."""
    from rag_app.app import RagApp
    from rag_app.settings import load_settings

    app = RagApp(load_settings(documents=folder, index=index))
    with _progress(quiet) as progress:
        report = app.index(dry_run=dry_run, rebuild=rebuild, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        print(_summary(report, dry_run))
    _note_problems("failed", report.failed, quiet)
    _note_problems("partly read", report.partial, quiet)
    if report.failed:
        raise typer.Exit(1)


def status(
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Show what the index holds."""
    from rag_app.app import RagApp
    from rag_app.settings import load_settings

    found = RagApp(load_settings(index=index)).status()
    if as_json:
        print_json(asdict(found))
        return
    print(f"documents   {found.documents}")
    print(f"chunks      {found.chunks}")
    print(f"generation  {found.generation}")
    print(f"embedding   {found.embedding}")
    print(f"index type  {found.index_type}")
    print(f"size        {found.bytes / 1e6:.1f} MB")
    _note_problems("failed", found.failed, quiet)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[SyncProgress], None] | None]:
    """Show a bar of files and chunks while the block runs, if a person watches stderr."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("files, {task.fields[chunks]}"))
    with Progress(*columns, TimeLeft(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, chunks="reading")

        def show(progress: SyncProgress) -> None:
            elapsed = bars.tasks[0].elapsed or 0.0
            rate = progress.chunks_done / max(elapsed, 0.001)
            chunks = f"{progress.chunks_done} chunks, {rate:.0f} a second"
            total, done = progress.files_total, progress.files_done
            bars.update(task, total=total, completed=done, chunks=chunks)

        yield show


def _summary(report: SyncReport, dry_run: bool) -> str:
    names = ("new", "changed", "renamed", "deleted", "unchanged")
    counts = [f"{count} {name}" for name in names if (count := getattr(report, name))]
    if report.failed:
        counts.append(f"{len(report.failed)} failed")
    files = ", ".join(counts) or "none"
    if dry_run:
        return f"would change, files: {files}"
    made = f"{report.embedded} embedded, {report.reused} reused"
    return f"files: {files}; chunks: {report.chunks} ({made}) in {report.seconds:.1f} s"


def _note_problems(what: str, problems: Sequence[FileProblem], quiet: bool) -> None:
    for problem in problems:
        note(f"{what}: {printable(problem.source)}: {problem.reason}", quiet)
