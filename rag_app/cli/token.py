"""``rag token``: make a token for a file of tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from rag_app.cli.options import Quiet
from rag_app.cli.output import note


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is for.")],
    read: Annotated[
        str, typer.Option("--read", metavar="A,B", help="Collections that it may read.")
    ] = "all",
    write: Annotated[
        str, typer.Option("--write", metavar="A,B", help="Collections that it may change; or none.")
    ] = "none",
    quiet: Quiet = False,
) -> None:
    """Make a token, and the entry for it in the file that RAG_SERVER_TOKENS names.

    The entry goes to stdout, so that it can be appended to the file; the token is shown once, on
    stderr.
    """
    from ingest import MissingExtraError

    try:
        from rag_app.server.security.access import new_token
    except ModuleNotFoundError as error:
        raise MissingExtraError("rag token", "server") from error
    made, entry = new_token(name, _collections(read), _collections(write))
    print(entry, end="")
    note(f"token for {name}: {made}")
    note("note: append the entry to the file of tokens: rag token NAME >> tokens.yaml", quiet)


def _collections(listed: str) -> list[str] | None:
    """Return the names in a list with commas; None for all."""
    if listed == "all":
        return None
    return [] if listed == "none" else [one.strip() for one in listed.split(",") if one.strip()]
