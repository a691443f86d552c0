"""Check the arguments of an index; a UsageError says in one sentence what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from ingest.errors import UsageError
from ingest.index.reader import Vectors

_DATES = frozenset({"since", "until"})
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")


def checked_text(value: object, what: str) -> str:
    """Return a string; raises UsageError if it is not one, or not valid Unicode."""
    if not isinstance(value, str):
        raise UsageError(f"{what} has to be a text, not {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"character {error.start + 1} of {what} is no valid text") from None
    return value


def checked_texts(values: object, what: str) -> list[str]:
    """Return a list of strings; raises UsageError for anything else, such as a single string."""
    listed = _listed(values, what)
    return [checked_text(value, f"number {n} of {what}") for n, value in enumerate(listed, 1)]


def checked_ids(values: object, count: int) -> list[str | None]:
    """Return the ids of ``count`` texts, None for each that needs a random one.

    Raises:
        UsageError: If there are not ``count`` ids, one is not a string, or one occurs twice.
    """
    if values is None:
        return [None] * count
    listed = _listed(values, "ids")
    _check_count(listed, "ids", count)
    known: set[str] = set()
    for n, value in enumerate(listed, 1):
        if value is None:
            continue
        name = checked_text(value, f"number {n} of ids")
        if name in known:
            raise UsageError(f"the id '{name}' is given twice: one text would replace the other")
        known.add(name)
    return listed


def checked_metadatas(values: object, count: int) -> list[dict[str, Any]]:
    """Return the metadata of ``count`` texts.

    Raises:
        UsageError: If there are not ``count``, or one is not a dictionary with string keys.
    """
    if values is None:
        return [{} for _ in range(count)]
    listed = _listed(values, "metadatas")
    _check_count(listed, "metadatas", count)
    for n, value in enumerate(listed, 1):
        if not _is_named(value):
            raise UsageError(
                f"number {n} of metadatas has to be a dictionary of names and values, "
                f"not {_shown(value)}"
            )
    return listed


def checked_filter(filter: object) -> dict[str, str] | None:
    """Return the filter with its values as strings; raises UsageError if it is not a filter."""
    if filter is None:
        return None
    if not _is_named(filter):
        raise UsageError(
            f"a filter has to be a dictionary, as in {{'language': 'en'}}, not {_shown(filter)}"
        )
    for key, value in filter.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise UsageError(f"the filter's '{key}' has to be a text, not {_shown(value)}")
    for key in _DATES & filter.keys():
        if not _DATE.fullmatch(str(filter[key])):
            raise UsageError(f"the filter's '{key}' has to be a date, as in 2025-03-31 or 2025")
    return {key: checked_text(str(value), "the filter") for key, value in filter.items()}


def check_count(value: object, what: str) -> None:
    """Raise UsageError unless ``value`` is a whole number of 1 or more."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{what} has to be a whole number of 1 or more, not {_shown(value)}")


def check_share(value: object, what: str) -> None:
    """Raise UsageError unless ``value`` is a number from 0 to 1."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (number and 0 <= float(str(value)) <= 1):
        raise UsageError(f"{what} has to be a number from 0 to 1, not {_shown(value)}")


def checked_vector(values: object, dimension: int) -> Vectors:
    """Return the vector scaled to length 1, shape (dimension,); raises UsageError if invalid."""
    try:
        vector = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        vector = np.empty(0, np.float32)
    if vector.shape != (dimension,) or not np.isfinite(vector).all():
        raise UsageError(f"a vector of this index is {dimension} finite numbers")
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _listed(values: object, what: str) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"{what} has to be a list, not {_shown(values)}")
    return list(values)


def _check_count(values: Sequence[object], what: str, count: int) -> None:
    if len(values) != count:
        raise UsageError(f"there are {len(values)} {what} for {count} texts: give one each")


def _is_named(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"a {type(value).__name__}"
