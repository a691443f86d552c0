"""``rag index`` and ``rag status``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.errors import INTERRUPTED
from rag_app.cli.options import (
    AsJson,
    Index,
    Quiet,
    remember_index,
    settings_of_index,
    settings_to_sync,
)
from rag_app.cli.output import note, print_json, printable, printable_line
from rag_app.cli.progress_bar import show_progress

if TYPE_CHECKING:
    from ingest import FileProblem, SyncProgress, SyncReport
    from rag_app.cli.progress_bar import Show
    from rag_app.settings import Settings

# Of ignored files, in a line; and from which the slowest file is named. Chosen by hand.
_NAMES = 3
_SLOW_SECONDS = 10


def index(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Folder of the documents.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what would change and change nothing.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build a new index, then switch to it.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Retry files that could not be read.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running and re-sync on every change.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 also for files that failed before.")
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Read only files that match, such as '*.pdf'."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Leave out what matches, such as 'drafts/'."),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Restore the index from before the last rebuild.")
    ] = False,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Synchronize the index with a folder of documents."""
    from ingest import UsageError
    from rag_app.settings import load_settings

    if watch + rollback + (dry_run or rebuild or retry_failed) > 1:
        raise UsageError("--watch and --rollback can't be combined with other options of a sync")
    if rollback:
        _roll_back(load_settings(index=index), as_json)
        return
    settings = settings_to_sync(
        folder, index, quiet, include=include or None, exclude=exclude or None
    )
    if watch:
        _watch(settings, as_json, quiet)
    else:
        _sync(settings, dry_run, rebuild, retry_failed, strict, as_json, quiet)


def status(index: Index = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show what the index holds."""
    from rag_app.answer_cache import usage_totals
    from rag_app.app import RagApp

    settings = settings_of_index(quiet, index=index)
    found, usage = RagApp(settings).status(), usage_totals(settings)
    if as_json:
        print_json({**asdict(found), "usage": usage})
        return
    print(f"documents   {found.documents}")
    print(f"chunks      {found.chunks}")
    print(f"generation  {found.generation}")
    print(f"embedding   {found.embedding}")
    print(f"index type  {found.index_type}")
    print(f"size        {found.bytes / 1e6:.1f} MB")
    print(f"questions   {usage['questions']}, {usage['cached']} of them from the cache")
    print(f"tokens      {usage['input_tokens']} in, {usage['output_tokens']} out")
    if usage["cost"]:
        print(f"cost        {usage['cost']:.4f}")
    print(f"coverage    {found.coverage}")
    _note("failed", found.failed, quiet)
    _note("partly read", found.partial, quiet)
    _note_ignored(found.ignored, quiet)


def _sync(
    settings: Settings,
    dry_run: bool,
    rebuild: bool,
    retry_failed: bool,
    strict: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from rag_app.app import RagApp

    try:
        with show_progress(quiet) as progress:
            report = RagApp(settings).index(
                dry_run=dry_run, rebuild=rebuild, retry_failed=retry_failed, progress=progress
            )
    except KeyboardInterrupt:
        if dry_run:
            raise
        note(_interrupted(settings, rebuild))
        raise typer.Exit(INTERRUPTED) from None
    if not dry_run:
        remember_index(settings.index)
    if as_json:
        print_json(asdict(report))
    else:
        print(_summary(report, dry_run))
    _note_problems(report, quiet, retry_failed)
    if report.newly_failed or (strict and report.failed):
        raise typer.Exit(1)


def _interrupted(settings: Settings, rebuild: bool) -> str:
    """Return the state after an interrupted run, and how to continue."""
    if rebuild:
        return "interrupted: the index is unchanged, run 'rag index --rebuild' again to rebuild it"
    count = _count_documents(settings)
    held = "1 document is" if count == 1 else f"{count} documents are"
    return f"interrupted: {held} in the index, run 'rag index' again to continue"


def _count_documents(settings: Settings) -> int:
    from ingest import IndexMissingError
    from rag_app.app import RagApp

    try:
        return RagApp(settings).status().documents
    except IndexMissingError:
        return 0


def _roll_back(settings: Settings, as_json: bool) -> None:
    from ingest import roll_back

    done = roll_back(settings)
    if as_json:
        print_json(asdict(done))
        return
    print(
        f"in use now: {done.version}, made with {printable(done.embedding)}, "
        f"{done.documents} documents, {done.chunks} chunks"
    )


def _watch(settings: Settings, as_json: bool, quiet: bool) -> None:
    """Print one line per sync, until interrupted."""
    from ingest import watch_folder

    bar = ExitStack()
    shown: list[Show | None] = []

    def show(progress: SyncProgress) -> None:
        if not shown:
            shown.append(bar.enter_context(show_progress(quiet)))
        if shown[0]:
            shown[0](progress)

    def hide_progress() -> None:
        bar.close()
        shown.clear()

    def print_report(report: SyncReport) -> None:
        hide_progress()
        remember_index(settings.index)
        line = json.dumps(asdict(report), ensure_ascii=False) if as_json else _summary(report)
        print(line, flush=True)
        _note_problems(report, quiet)

    def print_failure(error: Exception) -> None:
        hide_progress()
        note(f"error: {error}")

    note(f"watching {settings.documents}; stop with Ctrl-C", quiet)
    with bar:
        watch_folder(settings, print_report, on_failure=print_failure, progress=show)


def _summary(report: SyncReport, dry_run: bool = False) -> str:
    names = ("new", "changed", "renamed", "deleted", "unchanged")
    counts = [f"{count} {name}" for name in names if (count := getattr(report, name))]
    for name in ("partial", "ignored", "failed"):
        if found := len(getattr(report, name)):
            counts.append(f"{found} {name}")
    files = ", ".join(counts) or "none"
    if dry_run:
        return f"would change, files: {files}"
    made = f"{report.embedded} embedded, {report.reused} reused"
    parts = [f"files: {files}", f"chunks: {report.chunks} ({made}) in {report.seconds:.1f} s"]
    if report.coverage.characters < 1 or report.coverage.read < report.coverage.total:
        parts.insert(1, f"read: {report.coverage}")
    return "; ".join(parts)


def _note_problems(report: SyncReport, quiet: bool, retried: bool = False) -> None:
    _note("failed", report.failed, quiet)
    _note("partly read", report.partial, quiet)
    _note_ignored(report.ignored, quiet)
    if report.slowest and report.slowest.seconds >= _SLOW_SECONDS:
        slow = f"{printable_line(report.slowest.source)}, {report.slowest.seconds:.0f} s"
        note(f"slowest to read: {slow}", quiet)
    if report.failed and not report.newly_failed and not retried:
        note("the failed files are as they were: --retry-failed reads them again", quiet)


def _note_ignored(ignored: Sequence[FileProblem], quiet: bool) -> None:
    """Print a line for each reason, with the first names."""
    for reason in sorted({problem.reason for problem in ignored}):
        names = [printable_line(one.source) for one in ignored if one.reason == reason]
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        note(f"ignored: {', '.join(names[:_NAMES])}{more}: {printable_line(reason)}", quiet)


def _note(what: str, problems: Sequence[FileProblem], quiet: bool) -> None:
    for problem in problems:
        note(f"{what}: {printable_line(problem.source)}: {printable_line(problem.reason)}", quiet)
