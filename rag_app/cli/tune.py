"""``rag tune``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Debug, Index, Quiet, settings_of_index
from rag_app.cli.output import note, print_json, printable

if TYPE_CHECKING:
    from rag_app.tuning import TuningProgress, TuningReport


def tune(
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS.jsonl",
            help='Lines of {"question": …, "source": …, "answers": […], "evidence": …}.',
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="FOLDER", help="New folder for the model.")
    ],
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Only put a linear layer on the model: seconds.")
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", metavar="N", min=1, help="Go through the questions N times at most."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Decides all chances.")] = 0,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Tune the embedding model to the documents of the index, and say if it is better.

    A third of the documents is held out and judges. Exit code 0 says that the tuned model is
    clearly better on them, 1 that it is not; it is saved either way.
    """
    from rag_app import tuning

    known = tuning.read_questions(questions)
    with _progress(quiet) as progress:
        report = tuning.tune(
            settings_of_index(quiet, index=index),
            known,
            output,
            adapter=adapter,
            epochs=epochs,
            seed=seed,
            progress=progress,
        )
    if as_json:
        print_json(_record(report))
    else:
        _print_report(report)
    for one in report.unmatched:
        note(f"left out: {one.place}: {one.reason}: {one.question}", quiet)
    if not report.recommended:
        raise typer.Exit(1)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[TuningProgress], None] | None]:
    """Show a bar a stage while the block runs, if a person watches stderr."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def show(progress: TuningProgress) -> None:
            stage = progress.stage
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=progress.done, total=progress.total)

        yield show


def _print_report(report: TuningReport) -> None:
    from rag_app.tuning import verdict

    print(
        f"{report.train} questions learnt from, {report.validation} to stop by, "
        f"{report.held_out} held out (by {report.split_by}), {len(report.unmatched)} left out"
    )
    print(f"{'held out':10}{'before':>8}{'after':>8}   difference (95% interval)")
    for gain in report.gains:
        interval = f"{gain.difference:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        print(f"{gain.measure:10}{gain.before:8.3f}{gain.after:8.3f}   {interval}")
    folder = printable(str(report.folder))
    print(f"saved in {folder} after {report.seconds:.0f} s, with the weights of {_epoch(report)}")
    print(verdict(report))
    if report.recommended:
        print(f"next: {_next_command(report)}")


def _epoch(report: TuningReport) -> str:
    return f"epoch {report.epochs}" if report.epochs else "the base model"


def _next_command(report: TuningReport) -> str:
    embedding = shlex.quote(printable(f"huggingface:{report.folder}"))
    return f"RAG_EMBEDDING={embedding} rag index --rebuild"


def _record(report: TuningReport) -> dict[str, object]:
    gains = [asdict(one) | {"difference": one.difference} for one in report.gains]
    return asdict(report) | {"folder": str(report.folder), "gains": gains}
