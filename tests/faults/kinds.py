"""The kinds of random corruption of files."""

from __future__ import annotations

import random
from collections.abc import Callable

from copies import Files

PAGE = 4096


def corrupt(choose: random.Random, files: Files) -> tuple[str, Files]:
    """Return the kind of a random corruption and the files as it leaves them."""
    kinds: dict[str, Callable[[random.Random, Files], Files]] = {
        "flip": _flip,
        "truncate": _truncate,
        "zero": _zero,
        "swap": _swap,
        "extend": _extend,
    }
    while True:
        kind = choose.choice(list(kinds))
        changed = kinds[kind](choose, files)
        changed = {name: content for name, content in changed.items() if content != files[name]}
        if changed:
            return kind, changed


def _flip(choose: random.Random, files: Files) -> Files:
    name = _pick(choose, files)
    content = bytearray(files[name])
    if not content:
        return {}
    for _ in range(choose.randint(1, 8)):
        at = _place(choose, len(content))
        content[at] ^= choose.choice((1 << choose.randrange(8), choose.randrange(1, 256)))
    return {name: bytes(content)}


def _truncate(choose: random.Random, files: Files) -> Files:
    name = _pick(choose, files)
    return {name: files[name][: _edge(choose, len(files[name]))]}


def _zero(choose: random.Random, files: Files) -> Files:
    name = _pick(choose, files)
    begin, end = _range(choose, len(files[name]))
    content = files[name]
    return {name: content[:begin] + bytes(end - begin) + content[end:]}


def _swap(choose: random.Random, files: Files) -> Files:
    """Exchange two files, or two ranges of one length within a file or between two."""
    one, other = _pick(choose, files), _pick(choose, files)
    if choose.random() < 0.2:
        return {one: files[other], other: files[one]}
    begin, end = _range(choose, len(files[one]))
    start = min(_edge(choose, len(files[other])), max(len(files[other]) - (end - begin), 0))
    changed = {name: bytearray(files[name]) for name in (one, other)}
    first, second = files[one][begin:end], files[other][start : start + end - begin]
    changed[one][begin : begin + len(second)] = second
    changed[other][start : start + len(second)] = first[: len(second)]
    return {name: bytes(content) for name, content in changed.items()}


def _extend(choose: random.Random, files: Files) -> Files:
    name = _pick(choose, files)
    size = choose.choice((1, 100, PAGE, 3 * PAGE))
    more = choose.choice((bytes(size), choose.randbytes(size), files[name][:size]))
    return {name: files[name] + more}


def _pick(choose: random.Random, files: Files) -> str:
    """Return a file; half the time the catalog in use or its write-ahead log."""
    likely = [name for name in files if "v2/catalog" in name]
    return choose.choice(likely if choose.random() < 0.5 else list(files))


def _place(choose: random.Random, size: int) -> int:
    """Return an offset; often near the beginning of a page, where its header is."""
    if choose.random() < 0.3:
        return min(_edge(choose, size) + choose.randrange(112), size - 1)
    return choose.randrange(size)


def _edge(choose: random.Random, size: int) -> int:
    """Return an offset; half the time where a page begins."""
    if choose.random() < 0.5:
        return choose.randrange(size // PAGE + 1) * PAGE
    return choose.randrange(size + 1)


def _range(choose: random.Random, size: int) -> tuple[int, int]:
    begin = _edge(choose, size)
    length = choose.choice((choose.randrange(1, 64), PAGE, 2 * PAGE, choose.randrange(1, 4 * PAGE)))
    return begin, min(begin + length, size)
