"""What a loader may use while it reads a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from ingest.types import Document

LoadMember = Callable[[str, bytes], Document]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Limits and secrets for reading one file.

    Attributes:
        passwords: Tried on encrypted files.
        depth: Containers that may lie in each other, such as an archive attached to a message.
        unpacked_bytes: Most bytes that a compressed file may unpack to.
        deadline: Time, as of :func:`time.monotonic`, at which a loader that reads part by part
            should return what it has.
    """

    passwords: tuple[str, ...] = ()
    depth: int = 4
    unpacked_bytes: int = 200_000_000
    deadline: float = inf

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    def inside(self) -> LoadOptions:
        """Return the options for a file inside this one."""
        return replace(self, depth=self.depth - 1)
