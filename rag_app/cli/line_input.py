"""The lines that a person types, or that come through a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession


def read_lines(completions: Sequence[str], earlier: Sequence[str]) -> Iterator[str]:
    """Yield each line of stdin; at a terminal that can do it, with line editing.

    Args:
        completions: Whole lines that Tab completes.
        earlier: What the up arrow brings back, oldest first, before what is typed now.
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
        # Questions stay on the screen when the answers go to a file.
        output=create_output(always_prefer_tty=True),
    )
