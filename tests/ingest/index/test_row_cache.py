"""Rows are kept up to a total cost, those used last."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingest.index.row_cache import RowCache


def squares(asked: list[int], keys: Sequence[int]) -> list[int]:
    asked.extend(keys)
    return [key * key for key in keys]


def test_a_kept_value_is_not_loaded_again() -> None:
    cache, asked = RowCache[int, int](10), list[int]()
    assert cache.read([3, 1, 3], lambda keys: squares(asked, keys)) == [9, 1, 9]
    assert cache.read([1, 2], lambda keys: squares(asked, keys)) == [1, 4]
    assert asked == [3, 1, 2]


def test_what_was_used_longest_ago_is_dropped_first() -> None:
    cache, asked = RowCache[int, int](2), list[int]()
    for keys in ([1, 2], [1], [3], [1], [2]):
        cache.read(keys, lambda keys: squares(asked, keys))
    assert asked == [1, 2, 3, 2]


def test_a_value_dearer_than_everything_is_returned_but_not_kept() -> None:
    cache, asked = RowCache[int, int](5, lambda value: value), list[int]()
    for _ in range(2):
        assert cache.read([2, 9], lambda keys: squares(asked, keys)) == [4, 81]
    assert asked == [2, 9, 2, 9]


def test_a_failed_load_keeps_nothing() -> None:
    cache = RowCache[int, int](5)

    def fail(keys: Sequence[int]) -> list[int]:
        raise LookupError

    with pytest.raises(LookupError):
        cache.read([1], fail)
    assert cache.read([1], lambda keys: [7]) == [7]
