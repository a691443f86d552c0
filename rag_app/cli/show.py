"""``rag show``: a span of a document with the text around it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Index, Quiet, settings_of_index
from rag_app.cli.output import print_json, printable, terminal

if TYPE_CHECKING:
    from rag_app.app import RagApp
    from rag_app.document_span import Span


def show(
    place: Annotated[
        str,
        typer.Argument(metavar="SOURCE:START-END", help="A span, as in citations and --json."),
    ],
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show a span of a document with the text around it."""
    from rag_app.app import RagApp
    from rag_app.document_span import find_place

    app = RagApp(settings_of_index(quiet, index=index))
    found = find_place(app, place)
    if as_json:
        print_json(asdict(found))
    else:
        _print_place(app, found)


def _print_place(app: RagApp, found: Span) -> None:
    """Print the location, then the text with the quote marked."""
    from rag_app.cli.answer_output import print_linked
    from rag_app.types import source_line

    shown = source_line(found.source, found.location, found.headings)
    print_linked(app, shown, found.source, found.page)
    print()
    before, quote, after = map(printable, (found.before, found.quote, found.after))
    if console := terminal():
        from rich.text import Text

        marked = Text.assemble(before.lstrip("\n"), (quote, "reverse"), after.rstrip("\n"))
        console.print(marked)
    else:
        print(f"{before}>>>{quote}<<<{after}".strip("\n"))
