"""Writing to the two streams: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.text.printable import printable as printable

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: object) -> None:
    """Print the value as JSON on stdout, keys in the order given."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def note(message: str, quiet: bool = False) -> None:
    """Print one line on stderr that is neither data nor an error."""
    if not quiet:
        print(printable(message), file=sys.stderr, flush=True)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(f"note: {record.getMessage()}")


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print what the app warns of on stderr, even when quiet: an answer is not what was set."""
    log, notes = logging.getLogger("rag_app"), _Notes(logging.WARNING)
    log.addHandler(notes)
    try:
        yield
    finally:
        log.removeHandler(notes)


def terminal() -> Console | None:
    """Return the console of stdout if it is a terminal with styles.

    NO_COLOR takes away the colours and leaves bold and reverse; TERM=dumb leaves plain text.
    """
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    return None if console.is_dumb_terminal else console


def installed_version() -> str:
    """Return the name of the app with its version, if it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"rag-app {version('rag-app')}"
    except PackageNotFoundError:
        return "rag-app from a folder that is not installed"
