"""The ``rag`` command: parse, call RagApp, print.

Data goes to stdout; progress, notes and errors go to stderr. Exit codes: 0 success, 1 failed files
or an unexpected error, 2 wrong usage or configuration, 3 index missing, damaged or of another
embedding model, 4 provider failed, 130 interrupted, 141 stdout closed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from rag_app.cli import (
    ask,
    chat,
    compare,
    config,
    doctor,
    eval,
    export,
    index,
    mcp,
    prompt,
    serve,
    show,
    token,
    tokens,
    tune,
    verify,
)
from rag_app.cli.errors import report_failure
from rag_app.cli.options import with_debug
from rag_app.cli.output import installed_version, warnings_as_notes

_COMPLETE = "_RAG_COMPLETE"  # what the shell's completion script sets

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the boxes cost half a second at every --help
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(installed_version())
        raise typer.Exit


@app.callback()
def rag(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Ask questions of your own documents and check every answer."""


for command in (
    index.index,
    ask.ask,
    ask.search,
    show.show,
    chat.chat,
    serve.serve,
    mcp.mcp,
    token.token,
    compare.compare,
    index.status,
    verify.verify,
    export.export,
    export.import_,
    eval.eval_,
    tune.tune,
    doctor.doctor,
    config.config,
    tokens.tokens,
):
    app.command(command.__name__.rstrip("_"))(with_debug(command))
for subcommand in (prompt.list_, prompt.show, prompt.check, prompt.new):
    prompt.app.command(subcommand.__name__.rstrip("_"))(with_debug(subcommand))
app.add_typer(prompt.app, name="prompt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _replace_unencodable_characters()
        command = get_command(app)
        if os.environ.get(_COMPLETE):
            command.main(given, prog_name="rag")  # answers the shell and exits
        with (
            warnings_as_notes(),
            command.make_context("rag", given or ["--help"]) as context,
        ):
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as exit_:
        return exit_.exit_code
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error, debug="--debug" in given)
    return 0


def _replace_unencodable_characters() -> None:
    """Replace characters that the terminal's encoding lacks instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
