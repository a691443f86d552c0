"""``rag export`` and ``rag import``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Index, Quiet, settings_of_index
from rag_app.cli.output import print_json, printable

if TYPE_CHECKING:
    from ingest import Exported, Imported


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")],
    langchain: Annotated[
        bool, typer.Option("--langchain", help="Write a folder for LangChain's FAISS class.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Export the index to one file, to import on this or another machine."""
    from ingest import export_index, export_langchain

    write = export_langchain if langchain else export_index
    done = write(settings_of_index(quiet, index=index), file, force=force)
    if as_json:
        print_json(asdict(done))
    else:
        size = f"{done.bytes / 1e6:.1f} MB"
        print(printable(f"{_counts(done)} written to {done.file} ({size})"))


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File written by rag export.")],
    langchain: Annotated[
        bool,
        typer.Option("--langchain", help="Add the texts in a folder of LangChain's FAISS class."),
    ] = False,
    trust_pickle: Annotated[
        bool,
        typer.Option(
            "--trust-pickle", help="Load the folder although its pickle may run any code."
        ),
    ] = False,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Replace the index with that of an exported file."""
    from ingest import UsageError, import_index, import_langchain
    from rag_app.settings import load_settings

    if trust_pickle and not langchain:
        raise UsageError("--trust-pickle needs --langchain: a file of 'rag export' has no pickle")
    settings = load_settings(index=index)
    if langchain:
        done = import_langchain(settings, file, trust_pickle=trust_pickle)
    else:
        done = import_index(settings, file)
    if as_json:
        print_json(asdict(done))
    else:
        print(f"the index holds {_counts(done)}")


def _counts(done: Exported | Imported) -> str:
    return f"{done.documents} documents, {done.chunks} chunks"
