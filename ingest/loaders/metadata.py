"""Metadata that a file states about itself."""

from __future__ import annotations

import re
from datetime import date

_DATE = re.compile(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)")


def stated(title: str, changed: str) -> dict[str, str]:
    """Return the metadata of a document: ``title`` and ISO 8601 ``date``, each if stated.

    ``changed`` begins with the date of the last change, such as ``2025-03-12T19:30Z`` or, in a PDF,
    ``D:20250312193000``.
    """
    facts = {"title": title, "date": _day(changed)}
    return {name: fact for name, fact in facts.items() if fact}


def _day(text: str) -> str:
    match = _DATE.search(text)
    try:
        return date(*map(int, match.groups())).isoformat() if match else ""
    except ValueError:
        return ""
