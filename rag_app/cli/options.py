"""Options shared by several commands, and the settings that they give."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
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
Quiet = Annotated[bool, typer.Option("--quiet", help="Hide progress and notes.")]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="PROVIDER:MODEL",
        help="Chat model or 'extractive'; a comma-separated list is tried in order.",
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="NAME|FILE", help="Prompt template."),
]
# A string: the settings validate it and name the source of an invalid value.
TopK = Annotated[
    str | None, typer.Option("--top-k", metavar="N", help="Number of chunks to retrieve.")
]
Filter = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", metavar="KEY=VALUE", help="Search only documents with this; repeatable."
    ),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def with_debug(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the option ``--debug``, which ``main`` looks for in the arguments."""
    signature = inspect.signature(command, eval_str=True)
    *others, quiet = signature.parameters.values()

    @wraps(command)
    def run(debug: bool, **options: Any) -> None:
        command(**options)

    parameters = [*others, quiet.replace(name="debug", annotation=_Debug), quiet]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def parse_filter(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """Return the filter of ``--filter``, None without any.

    Raises:
        UsageError: As for `parse_pairs`.
    """
    return parse_pairs("--filter", pairs, "source=guide.md") or None


def parse_pairs(option: str, pairs: Sequence[str] | None, example: str) -> dict[str, str]:
    """Return the ``KEY=VALUE`` pairs of an option.

    Raises:
        UsageError: A pair lacks the key or the value, or a key occurs twice.
    """
    from ingest import UsageError

    values: dict[str, str] = {}
    for pair in pairs or ():
        key, _, value = pair.partition("=")
        if not (key and value):
            raise UsageError(f"{option} '{pair}' is not KEY=VALUE, as in {option} {example}")
        if key in values:
            raise UsageError(f"{option} has '{key}' twice: give one value per key")
        values[key] = value
    return values


def settings_of_index(quiet: bool, **flags: Any) -> Settings:
    """Return the settings of a command that reads an index: by default the last one indexed.

    Raises:
        UsageError: As for ``load_settings``.
    """
    from ingest import followed_folder
    from rag_app.settings import load_settings

    settings = load_settings(**flags)
    last = last_index(settings)
    if last is None:
        return settings
    note(f"note: using the index {last}, the last one that 'rag index' made", quiet)
    folder = followed_folder(last) or settings.documents
    return settings.model_copy(update={"index": last, "documents": folder})


def settings_to_sync(
    folder: Path | None, index: Path | None, quiet: bool, **flags: object
) -> Settings:
    """Return the settings of a sync: by default of the folder that the index was made from.

    A folder in the settings belongs to the index in the settings, not to another one on the
    command line.

    Raises:
        UsageError: As for ``load_settings``, or the folder is missing.
    """
    from ingest import UsageError, followed_folder
    from rag_app.settings import load_settings

    settings = load_settings(documents=folder, index=index, **flags)
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
        f"the folder {followed}, which the index {settings.index} was made from, is missing: "
        "restore it, or name another folder, as in 'rag index DOCS'; the index is unchanged"
    )


def last_index(settings: Settings) -> Path | None:
    """Return the last index that ``rag index`` made, if none is configured and none is here."""
    from ingest import holds_index

    if "index" in settings.model_fields_set or holds_index(settings.index):
        return None
    with suppress(OSError):
        last = Path(os.fsdecode(_memory().read_bytes()))
        if last.is_absolute() and holds_index(last):
            return last
    return None


def remember_index(index: Path) -> None:
    """Record the index that ``rag index`` made, for commands in folders without one."""
    memory = _memory()
    with suppress(OSError):  # best effort: the home directory may be read-only
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_bytes(os.fsencode(index.resolve()))


def _memory() -> Path:
    from platformdirs import user_state_path

    return user_state_path("rag-app", appauthor=False) / "last-index"
