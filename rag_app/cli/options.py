"""The options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_app.cli.output import note

if TYPE_CHECKING:
    from rag_app.settings import Settings

Index = Annotated[
    Path | None, typer.Option("--index", metavar="FOLDER", help="Folder of the index.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes.")]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="PROVIDER:MODEL",
        help="Chat model, or 'extractive'; several, with commas, are tried in order.",
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="NAME|FILE", help="Prompt template."),
]
# A text: the settings check it, and say where a bad one came from.
TopK = Annotated[
    str | None, typer.Option("--top-k", metavar="N", help="Chunks to retrieve for a question.")
]
Filter = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="KEY=VALUE", help="Only chunks with this; repeatable."),
]


def parse_filter(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """Return the filter of ``KEY=VALUE`` pairs.

    Raises:
        UsageError: A pair has no ``=``, or a key comes twice.
    """
    from ingest import UsageError

    chosen: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--filter '{pair}' is not KEY=VALUE, as in --filter source=guide.md")
        if key in chosen:
            raise UsageError(f"--filter names '{key}' twice; one value a key")
        chosen[key] = value
    return chosen or None


def settings_of_index(quiet: bool, **flags: Any) -> Settings:
    """Read the settings of a command that reads an index, with the last one if none is named.

    Raises:
        UsageError: As ``load_settings``.
    """
    from ingest import followed_folder
    from rag_app.settings import load_settings

    settings = load_settings(**flags)
    last = last_index(settings)
    if last is None:
        return settings
    note(f"note: using the index {last}, which 'rag index' made last", quiet)
    folder = followed_folder(last) or settings.documents
    return settings.model_copy(update={"index": last, "documents": folder})


def settings_to_sync(folder: Path | None, index: Path | None, quiet: bool) -> Settings:
    """Read the settings of a sync, with the folder that the index was made from if none is named.

    A folder in the settings belongs to the index there, so it is not meant for another
    one that is named on the command line.

    Raises:
        UsageError: As ``load_settings``; or the folder is gone.
    """
    from ingest import UsageError, followed_folder
    from rag_app.settings import load_settings

    settings = load_settings(documents=folder, index=index)
    followed = None if folder else followed_folder(settings.index)
    if followed in (None, settings.documents.resolve()):
        return settings
    if index is None and "documents" in settings.model_fields_set:
        return settings
    if followed.is_dir():
        note(f"note: following {followed}, which the index was made from", quiet)
        return settings.model_copy(update={"documents": followed})
    if "index" not in settings.model_fields_set and settings.documents.is_dir():
        return settings  # the folder around both was moved
    raise UsageError(
        f"the folder {followed}, which the index {settings.index} was made from, is not there: "
        "bring it back, or name the folder to follow instead, as in 'rag index DOCS'; "
        "the index is as it was"
    )


def last_index(settings: Settings) -> Path | None:
    """Return the index that ``rag index`` made last, if no setting names one and none is here."""
    from ingest import holds_index

    if "index" in settings.model_fields_set or holds_index(settings.index):
        return None
    with suppress(OSError):
        last = Path(os.fsdecode(_memory().read_bytes()))
        if last.is_absolute() and holds_index(last):
            return last
    return None


def remember_index(index: Path) -> None:
    """Note that ``rag index`` made this one, for commands in folders without one."""
    memory = _memory()
    with suppress(OSError):  # a home that can't be written to only costs the convenience
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_bytes(os.fsencode(index.resolve()))


def _memory() -> Path:
    from platformdirs import user_state_path

    return user_state_path("rag-app", appauthor=False) / "last-index"
