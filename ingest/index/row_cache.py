"""Rows of one generation that were read and verified, kept for the questions that follow."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RowCache(Generic[Key, Value]):
    """Keeps the values that were used last; safe to share between threads."""

    def __init__(self, most: int, cost: Callable[[Value], int] = lambda value: 1) -> None:
        """Make an empty cache.

        Args:
            most: Highest total cost of the values.
            cost: The cost of one value.
        """
        self._most = most
        self._cost = cost
        self._total = 0
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, keys: Sequence[Key], load: Callable[[Sequence[Key]], Sequence[Value]]
    ) -> list[Value]:
        """Return the value of each key; ``load`` returns those that are not kept."""
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            loaded = dict(zip(missing, load(missing), strict=True))
            self._keep(loaded)
            found |= loaded
        return [found[key] for key in keys]

    def _keep(self, loaded: dict[Key, Value]) -> None:
        with self._lock:
            for key, value in loaded.items():
                if key not in self._kept:
                    self._total += self._cost(value)
                self._kept[key] = value
            while self._total > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._total -= self._cost(oldest)
