"""Output: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.text.printable import printable as printable
from ingest.text.printable import printable_line as printable_line

if TYPE_CHECKING:
    from rich.console import Console

# transformers imports torchao if it is installed, and torchao warns about what this torch lacks.
_NOISY = ("torchao", "torch.utils._pytree")


def print_json(value: object) -> None:
    """Print the value as JSON on stdout; keys keep their order."""
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
    """Print the app's warnings as notes on stderr, even when quiet: they change the answer."""
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    log, notes = logging.getLogger("rag_app"), _Notes(logging.WARNING)
    log.addHandler(notes)
    try:
        yield
    finally:
        log.removeHandler(notes)


def terminal() -> Console | None:
    """Return the console of stdout if it is a terminal that supports styles.

    NO_COLOR disables colours but not bold and reverse; TERM=dumb disables all styles.
    """
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    return None if console.is_dumb_terminal else console


def installed_version() -> str:
    """Return the app's name and version, as far as it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"rag-app {version('rag-app')}"
    except PackageNotFoundError:
        return "rag-app from a folder that is not installed"
