"""Draw what `rag ask` prints on a terminal as docs/ask.svg, for the README.

Run from the root of the checkout, after `rag index`.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMANDS = ['rag ask "Who published word2vec?"', 'rag ask "O que congela o LoRA?"']
PICTURE = Path(__file__).with_name("ask.svg")
WIDTH = 92


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: SIM115
    for command in COMMANDS:
        console.print(Text.assemble(("$ ", "green"), (command, "bold")))
        console.print(Text.from_ansi(printed(command)))
    svg = console.export_svg(title="rag ask")
    # A picture that asks another host for its font would tell that host who reads the page.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), "utf-8")


def printed(command: str) -> str:
    """Return what the command prints on a terminal, with its colours but without its links."""
    os.environ |= {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    chunks: list[bytes] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        chunks.append(data)
        return data

    sys.stdout.flush()
    pty.spawn(shlex.split(command), read)
    output = b"".join(chunks).decode().replace("\r", "")
    # What was streamed is erased before the checked answer is printed.
    output = output.rpartition("\x1b[2K")[2]
    return re.sub(r"\x1b\]8;.*?\x1b\\", "", output)


if __name__ == "__main__":
    main()
