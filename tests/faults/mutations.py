"""Damage documents at random: each is read or refused in words, within the limits.

python tests/faults/mutations.py [--load MODULE:FUNCTION] [--first 0] [pdf=2000 docx=1000 …]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import resource
import signal
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from outcome import Outcome
from samples import samples

from ingest.errors import LoadError
from ingest.loaders import load_document
from ingest.types import Document

Load = Callable[[str, bytes], Document]

COUNTS = {"pdf": 2000, "docx": 1000, "xlsx": 1000, "pptx": 1000, "eml": 1000, "zip": 1000}
ZIPPED = ("docx", "xlsx", "pptx", "zip")
CPU_SECONDS, MEMORY = 30, 1_500_000_000
LONGEST_REASON = 2_000
NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483647", b"4294967296", b"99999999999999999999")
NUMBER = re.compile(rb"\d+")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one damaged document; ``wrong`` is empty if that is allowed."""

    kind: str
    number: int
    result: str
    wrong: str = ""
    seconds: float = 0.0


def mutate_documents(count: int, folder: Path, load: Load = load_document) -> Outcome:
    """Damage ``count`` documents of all kinds in the shares of ``COUNTS``."""
    shares = {kind: max(1, count * one // sum(COUNTS.values())) for kind, one in COUNTS.items()}
    return run(shares, folder, load)


def run(counts: Mapping[str, int], folder: Path, load: Load, first: int = 0) -> Outcome:
    """Damage so many documents of each kind, in a child process with limits."""
    trials = [
        trial
        for kind, count in counts.items()
        for trial in _trials(kind, first, count, folder, load)
    ]
    wrong = [trial for trial in trials if trial.wrong]
    results = Counter(f"{trial.kind} {trial.result}" for trial in trials)
    return Outcome(
        promise="a damaged document is read or refused",
        tried=len(trials),
        kept=len(trials) - len(wrong),
        breaks=tuple(f"{one.kind} {one.number}: {one.wrong}" for one in wrong),
        facts=(*sorted(results.items()), ("slowest, CPU s", max(one.seconds for one in trials))),
    )


def mutated(kind: str, number: int) -> bytes:
    """Return a damaged document of a kind; the number is its seed."""
    choose = random.Random(f"{kind} {number}")
    content = choose.choice(samples(kind))
    damage = _damage_part if kind in ZIPPED and choose.random() < 0.6 else _damage
    for _ in range(choose.choice((1, 1, 1, 2, 5))):
        content = damage(choose, content)
    return content


def _trials(kind: str, first: int, count: int, folder: Path, load: Load) -> Iterator[Trial]:
    """Yield every trial; the process begins again behind one that ended it."""
    begin, end = first, first + count
    done = folder / "trials.jsonl"
    while begin < end:
        process = os.fork()
        if not process:
            _work(kind, range(begin, end), done, load)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        lines = done.read_text().splitlines() if done.exists() else []
        done.unlink(missing_ok=True)
        yield from (Trial(*json.loads(line)) for line in lines)
        begin += len(lines)
        if begin < end:
            late = status == -signal.SIGPROF
            result = "over limits" if late else "crashed"
            why = f"took over {CPU_SECONDS} s" if late else f"the process ended with {status}"
            yield Trial(kind, begin, result, why)
            begin += 1


def _work(kind: str, numbers: range, done: Path, load: Load) -> None:
    """Try the documents and end the process."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    with done.open("a") as file:
        for number in numbers:
            content = mutated(kind, number)
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            trial = _try(kind, number, content, load)
            signal.setitimer(signal.ITIMER_PROF, 0)
            fields = (trial.kind, trial.number, trial.result, trial.wrong, trial.seconds)
            file.write(json.dumps(fields) + "\n")
            file.flush()
    os._exit(0)


def _try(kind: str, number: int, content: bytes, load: Load) -> Trial:
    started = time.process_time()
    result, wrong = _result(f"damaged.{kind}", content, load)
    return Trial(kind, number, result, wrong, time.process_time() - started)


def _result(name: str, content: bytes, load: Load) -> tuple[str, str]:
    try:
        document = load(name, content)
    except LoadError as error:
        return "refused", _wrong_with_reason(str(error))
    except MemoryError:
        return "over limits", f"took over {MEMORY / 1e6:,.0f} MB"
    except BaseException as error:
        return "raised", f"{type(error).__name__}: {str(error)[:200]}"
    return ("partial" if document.problems else "read"), _wrong_with(document)


def _wrong_with_reason(reason: str) -> str:
    if "\n" in reason or len(reason) > LONGEST_REASON:
        return f"a reason of {len(reason)} characters: {reason[:100]!r}"
    return ""


def _wrong_with(document: Document) -> str:
    """Return what breaks the contract of a document, if anything."""
    places = [place.start for place in document.places]
    starts = [heading.start for heading in document.headings]
    if places and (places[0] != 0 or places != sorted(places)):
        return "its places are not in order"
    if starts != sorted(starts) or any(not 0 <= one < len(document.text) for one in starts):
        return "its headings are not in order"
    if not 0 <= document.unread <= 1:
        return f"a share of {document.unread} is unread"
    try:
        document.text.encode()
    except UnicodeError:
        return "its text has lone surrogates"
    return _wrong_with_reason(max(document.problems, key=len, default=""))


def _damage(choose: random.Random, content: bytes) -> bytes:
    if not content:
        return content
    return choose.choice((_flip, _cut, _repeat, _insert, _swap, _number, _length))(choose, content)


def _damage_part(choose: random.Random, content: bytes) -> bytes:
    """Damage a part of a ZIP archive, whose sizes and checksums then fit again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(buffer, "w") as other:
        parts = {name: archive.read(name) for name in archive.namelist()}
        damaged = choose.choice(list(parts))
        for name, part in parts.items():
            other.writestr(name, _damage(choose, part) if name == damaged else part)
    return buffer.getvalue()


def _flip(choose: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(choose.randint(1, 12)):
        changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
    return bytes(changed)


def _cut(choose: random.Random, content: bytes) -> bytes:
    begin, end = _range(choose, content)
    return content[:begin] + content[end:] if choose.random() < 0.5 else content[: begin or 1]


def _repeat(choose: random.Random, content: bytes) -> bytes:
    begin, end = _range(choose, content)
    times = choose.choice((1, 3, 100))
    return content[:begin] + content[begin:end] * times + content[begin:]


def _insert(choose: random.Random, content: bytes) -> bytes:
    at = choose.randrange(len(content) + 1)
    size = choose.choice((1, 7, 300, 20_000))
    run = choose.choice((bytes(size), b"\xff" * size, b"<" * size, b"[" * size, b"A" * size))
    return content[:at] + choose.choice((run, choose.randbytes(size))) + content[at:]


def _swap(choose: random.Random, content: bytes) -> bytes:
    marks = sorted(choose.randrange(len(content) + 1) for _ in range(4))
    a, b, c, d = marks
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _number(choose: random.Random, content: bytes) -> bytes:
    """Change a number that is written in digits, such as a length in a PDF."""
    found = list(NUMBER.finditer(content))
    if not found:
        return _length(choose, content)
    one = choose.choice(found)
    return content[: one.start()] + choose.choice(NUMBERS) + content[one.end() :]


def _length(choose: random.Random, content: bytes) -> bytes:
    """Overwrite two or four bytes, as of a length in a binary header."""
    at = choose.randrange(len(content))
    size = choose.choice((2, 4))
    value = choose.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)) & (256**size - 1)
    return content[:at] + value.to_bytes(size, "little") + content[at + size :]


def _range(choose: random.Random, content: bytes) -> tuple[int, int]:
    begin = choose.randrange(len(content))
    return begin, min(begin + choose.choice((1, 16, 256, 4096)), len(content))


def main() -> int:
    """Run the given counts and print what became of them."""
    parser = argparse.ArgumentParser("python tests/faults/mutations.py")
    parser.add_argument("counts", nargs="*", metavar="KIND=COUNT")
    parser.add_argument("--load", default="ingest.loaders:load_document", metavar="MODULE:FUNCTION")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    counts = dict(one.split("=") for one in arguments.counts)
    module, _, function = arguments.load.partition(":")
    load = getattr(import_module(module), function)
    with TemporaryDirectory(prefix="faults-mutations-") as folder:
        numbers = {kind: int(count) for kind, count in counts.items()} or COUNTS
        outcome = run(numbers, Path(folder), load, arguments.first)
    sys.stdout.write(f"tried {outcome.tried}, kept {outcome.kept}\n")
    for fact, value in outcome.facts:
        sys.stdout.write(f"{fact:28} {value:g}\n")
    for line in outcome.breaks:
        sys.stdout.write(f"BROKEN: {line}\n")
    return int(outcome.kept < outcome.tried)


if __name__ == "__main__":
    sys.exit(main())
