"""The lines that a person types, or that come through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession


def read_lines(completions: Sequence[str], earlier: Sequence[str]) -> Iterator[str]:
    """Yield each line of stdin; at a terminal, with line editing.

    Args:
        completions: Whole lines that Tab completes.
        earlier: What the up arrow brings back, oldest first, before what is typed now.
    """
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    session = _session(completions, earlier)
    while True:
        try:
            line = session.prompt("? ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        yield line


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
