"""Table rows in plain text: cells between bars, tabs or runs of spaces."""

from __future__ import annotations

import re

from ingest.text.terms import is_number, words

_ROW = re.compile(r"\s\|(?:\s|$)|^\||\t|\S {3,}\S")
_RULE = re.compile(r"\n[\s|:+=-]*-[\s|:+=-]*$")
_PAIR = 2
_BETWEEN_CELLS = re.compile(r"\s*\|\s*|\t+| {3,}")


def is_row(text: str) -> bool:
    """Return whether a line is a row of a table, with the rule below it if it is its head."""
    return _ROW.search(text) is not None


def is_head(row: str) -> bool:
    """Return whether the first row of a table is its head: over a rule, or without a number."""
    return has_rule(row) or not any(map(is_number, words(row)))


def has_rule(row: str) -> bool:
    """Return whether a line of dashes stands below a row, as below the head of a table."""
    return _RULE.search(row) is not None


def names_columns(head: str) -> bool:
    """Return whether the head of a table names its columns with certainty.

    Without a rule, the first row of two columns is as often data.
    """
    return has_rule(head) or (is_head(head) and len(_cells(head)) > _PAIR)


def spell_out(row: str, head: str) -> str:
    """Return a row without its bars, each cell after the name of its column if there is a head.

    >>> spell_out("| K1 | 30 l |", "| Model | Capacity |")
    'Model: K1; Capacity: 30 l'
    """
    own, names = _cells(row), _cells(head)
    if len(own) != len(names) or not names_columns(head):
        return "; ".join(filter(None, own))
    named = zip(names, own, strict=True)
    return "; ".join(_named(name, cell) for name, cell in named if cell)


def own_head(row: str) -> str:
    """Return the head of a row whose cells begin with their names; empty for another row.

    >>> own_head("Model: K1 | Capacity: 30 l")
    'Model | Capacity'
    """
    names = [cell.partition(": ")[0] for cell in _cells(row) if ": " in cell]
    return " | ".join(names) if len(names) == len(_cells(row)) > 1 else ""


def _named(name: str, cell: str) -> str:
    """Return a cell after the name of its column, which it may begin with itself."""
    return f"{name}: {cell}" if name and not cell.startswith(f"{name}: ") else cell


def _cells(row: str) -> list[str]:
    return _BETWEEN_CELLS.split(_RULE.sub("", row).strip().strip("|").strip())
