"""Failures of commands: one sentence on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback

from typer import TyperException

from rag_app.cli.output import printable

INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE


def report_failure(error: BaseException, debug: bool) -> int:
    """Print the error, with its traceback if ``debug``, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        _drop_unwritten_output()
        return PIPE_CLOSED
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    sentence, code = _explain(error)
    print(sentence, file=sys.stderr)
    return code


def _where_help_is(error: TyperException) -> str:
    """Return the help command, and how to write a question with words that begin with a dash."""
    context = getattr(error, "ctx", None)
    if context is None:
        return "rag --help"
    command = context.command_path
    asks = any(param.name == "question" for param in context.command.params)
    if asks and hasattr(error, "option_name"):
        return f"{command} --help; words with a dash go after --: {command} -- …"
    return f"{command} --help"


def _drop_unwritten_output() -> None:
    """Redirect stdout to the null device, so that flushing it at exit does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _explain(error: BaseException) -> tuple[str, int]:
    """Return the sentence and the exit code of a failure."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, TyperException):
        hint = f"(see {_where_help_is(error)})"
        return f"error: {printable(error.format_message())} {hint}", error.exit_code
    from ingest import RagError

    if isinstance(error, RagError):
        return f"error: {printable(str(error))}", error.exit_code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" for {printable(str(error.filename))}" if error.filename else ""
        return f"error: no space left on the disk{where}: free some and run it again", 1
    what = printable(f"{type(error).__name__}: {error}".partition("\n")[0])
    return f"error: unexpected {what}; run again with --debug to see where", 1
