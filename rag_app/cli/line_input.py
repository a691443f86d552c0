"""Read lines from a terminal or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession


def read_lines(completions: Sequence[str], earlier: Sequence[str]) -> Iterator[str]:
    """Yield the lines of stdin; with line editing if the terminal supports it.

    Args:
        completions: Whole lines for Tab completion.
        earlier: History before this session, oldest first.
    """
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    ask = _ask_plainly if dumb else _session(completions, earlier).prompt
    while True:
        try:
            line = ask("? ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        yield line


def _ask_plainly(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    if line := sys.stdin.readline():
        return line
    raise EOFError


def _session(completions: Sequence[str], earlier: Sequence[str]) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import InMemoryHistory
    from prompt_toolkit.output import create_output

    return PromptSession(
        completer=WordCompleter(list(completions), sentence=True),
        complete_while_typing=False,
        history=InMemoryHistory(earlier),
        # Show questions on the terminal even if stdout is a file.
        output=create_output(always_prefer_tty=True),
    )
