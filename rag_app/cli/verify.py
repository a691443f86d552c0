"""``rag verify``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Index, Quiet, settings_of_index
from rag_app.cli.output import note, print_json, printable

if TYPE_CHECKING:
    from ingest import Damage, VerifyReport

_FOUND = 1
_NOT_REPAIRED = 3


def verify(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Repair damage from the index itself or from the files."),
    ] = False,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every row and file of the index for damage."""
    from rag_app.app import RagApp

    report = RagApp(settings_of_index(quiet, index=index)).verify(repair=repair)
    if as_json:
        print_json(
            {
                "documents": report.documents,
                "chunks": report.chunks,
                "damages": [asdict(damage) for damage in report.damages],
                "seconds": report.seconds,
            }
        )
    else:
        print(_summary(report))
        for damage in report.damages:
            print(printable(_line(damage, repair)))
    if report.read_only:
        note(
            "this user may only read the index: files left by killed writers were not checked",
            quiet,
        )
    if report.damages and not repair:
        note("run 'rag verify --repair' to repair the index", quiet)
        raise typer.Exit(_FOUND)
    if not all(damage.repaired for damage in report.damages):
        raise typer.Exit(_NOT_REPAIRED)


def _summary(report: VerifyReport) -> str:
    held = f"{report.documents} documents, {report.chunks} chunks"
    damages = report.damages
    repaired = sum(damage.repaired for damage in damages)
    state = f"{len(damages)} damages" if damages else "all as written"
    if repaired:
        state += f", {repaired} repaired"
    return f"{held}: {state} ({report.seconds:.1f} s)"


def _line(damage: Damage, repair: bool) -> str:
    outcome = ("repaired: " if damage.repaired else "NOT REPAIRED: ") if repair else ""
    return f"{outcome}{damage.where}: {damage.what}"
