"""``rag tune``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Index, Quiet, settings_of_index
from rag_app.cli.output import note, print_json, printable
from rag_app.cli.progress_bar import show_stages

if TYPE_CHECKING:
    from rag_app.tuning import TuningReport


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
        bool, typer.Option("--adapter", help="Train only a linear layer on top, in seconds.")
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", min=1, help="Maximum number of epochs."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed.")] = 0,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tune the embedding model to the documents of the index and measure the gain.

    A third of the documents is held out for the measurement. Exits with 0 if the tuned model is
    clearly better on them, with 1 if not; it is saved either way.
    """
    from rag_app import tuning

    known = tuning.read_questions(questions)
    with show_stages(quiet) as progress:
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


def _print_report(report: TuningReport) -> None:
    from rag_app.tuning import verdict

    print(
        f"questions: {report.train} training, {report.validation} validation, "
        f"{report.held_out} held out (by {report.split_by}), {len(report.unmatched)} left out"
    )
    print(f"{'held out':10}{'before':>8}{'after':>8}   difference (95% interval)")
    for gain in report.gains:
        interval = f"{gain.difference:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        print(f"{gain.metric:10}{gain.before:8.3f}{gain.after:8.3f}   {interval}")
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
    record = report.to_record()
    for gain, one in zip(record["gains"], report.gains, strict=True):
        gain["difference"] = one.difference
    return record
