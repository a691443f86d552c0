"""Run work in another thread under a deadline that holds whatever the work does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class Work(Generic[Item]):
    """Work that produces items until it is done or cancelled.

    Attributes:
        run: Called in the thread; passes each item to its argument.
        cancel: Called in the reader's thread; makes ``run`` return soon.
    """

    run: Callable[[Callable[[Item], None]], None]
    cancel: Callable[[], None]


def read_from_thread(work: Work[Item], seconds: float, late: Exception) -> Generator[Item]:
    """Yield the items of ``work``; closing the iterator cancels it.

    Raises:
        Exception: ``late`` after ``seconds`` in total; an error of ``work`` at once.
    """
    items: SimpleQueue[Item | _End] = SimpleQueue()
    deadline = monotonic() + seconds
    thread = threading.Thread(target=_run, args=(work, items.put), name="rag-llm")
    thread.start()
    try:
        while not isinstance(item := _next(items, deadline, late), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        work.cancel()
        # Long enough for one token, after which the thread stops; not for a long prompt, which
        # would keep the reader past the deadline.
        thread.join(timeout=0.5)


def in_event_loop(
    produce: Callable[[Callable[[Item], None]], Coroutine[Any, Any, None]],
) -> Work[Item]:
    """Return the work that runs ``produce`` in its own event loop."""
    loop = asyncio.new_event_loop()
    tasks: list[asyncio.Task[None]] = []

    async def main(put: Callable[[Item], None]) -> None:
        tasks.extend(task for task in [asyncio.current_task()] if task)
        await produce(put)

    def run(put: Callable[[Item], None]) -> None:
        with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main(put))

    def stop() -> None:
        # Not the loop's own tasks while it closes, which must not be cancelled.
        for task in tasks:
            task.cancel()

    def cancel() -> None:
        # A closed loop has nothing left to cancel.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop)

    return Work(run, cancel)


def _run(work: Work[Item], put: Callable[[Item | _End], None]) -> None:
    error: BaseException | None = None
    try:
        work.run(put)
    except BaseException as raised:
        error = raised
    put(_End(error))


def _next(items: SimpleQueue[Item | _End], deadline: float, late: Exception) -> Item | _End:
    with suppress(Empty):
        return items.get(timeout=max(0.0, deadline - monotonic()))
    raise late
