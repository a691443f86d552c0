"""A token bucket for each caller."""

from __future__ import annotations

import time
from collections import OrderedDict

_MOST_CALLERS = 10_000  # that used it last; chosen by hand


class Rates:
    """Allows each caller a number of requests a second, and a burst after a pause."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> bool:
        """Return whether the caller may make a request now, and count it."""
        now = time.monotonic()
        left, last = self._left.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - last) * self._per_second)
        allowed = left >= 1
        self._left[caller] = (left - allowed, now)
        if len(self._left) > _MOST_CALLERS:
            self._left.popitem(last=False)
        return allowed
