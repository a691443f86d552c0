"""``rag export`` and ``rag import``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Debug, Index, Quiet, settings_of_index
from rag_app.cli.output import print_json, printable

if TYPE_CHECKING:
    from ingest import Exported, Imported


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")],
    langchain: Annotated[
        bool, typer.Option("--langchain", help="Write a folder for LangChain's FAISS class.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Write the index to one file, to be imported on this or another machine."""
    from ingest import export_index, export_langchain

    write = export_langchain if langchain else export_index
    done = write(settings_of_index(quiet, index=index), file, force=force)
    if as_json:
        print_json(asdict(done))
    else:
        size = f"{done.bytes / 1e6:.1f} MB"
        print(printable(f"{_counts(done)} written to {done.file} ({size})"))


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that rag export wrote.")],
    langchain: Annotated[
        bool,
        typer.Option("--langchain", help="Add the texts of a folder of LangChain's FAISS class."),
    ] = False,
    trust_pickle: Annotated[
        bool,
        typer.Option("--trust-pickle", help="Load the folder although it could run any code."),
    ] = False,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Put the index of an exported file in the place of this one."""
    from ingest import UsageError, import_index, import_langchain
    from rag_app.settings import load_settings

    if trust_pickle and not langchain:
        raise UsageError("--trust-pickle goes with --langchain: a file of 'rag export' has none")
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
