"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

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
