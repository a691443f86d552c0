"""Text that a terminal shows as it is."""

from __future__ import annotations

import re

_LINE_ENDS = re.compile("[\t\n\x85\u2028\u2029]")
# C0 and C1 controls but tab and newline, and the overrides of text direction: a document or a
# file name could use them to move the cursor or to disguise what is shown.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return the text with line ends as newlines and terminal controls as U+FFFD."""
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))


def printable_line(text: str) -> str:
    """Return the text on one line: line ends and terminal controls become U+FFFD."""
    return _LINE_ENDS.sub("\ufffd", printable(text))
