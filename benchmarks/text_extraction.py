"""Compare the text of the PDFs of a set with that of pdftotext, and the time with pypdf's.

    python -m benchmarks.text_extraction --bench FOLDER [--set sec-10-q] [--pypdf]

Words are runs of letters and digits; what is printed is twice the number of common words over the
number of both, in any order and in order (their longest common subsequence). In order, pdftotext is
asked for the layout, where rows of tables stay rows, and for the order of drawing: by default, it
takes tables apart into columns. Headers, footers and page numbers that return page by page are left
out on purpose; "kept" compares with the text of pdftotext without the first and last lines that
return on most of its pages. Needs poppler-utils.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import mean

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from rapidfuzz.distance import LCSseq

from ingest.loaders import load_document

_WORD = re.compile(r"\w+")
_COLUMNS = "any order, kept, in layout order, in drawing order, in default order"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text_extraction")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the document sets")
    parser.add_argument("--set", default="sec-10-q", help="name of the set")
    parser.add_argument("--pypdf", action="store_true", help="time pypdf as well, which takes long")
    options = parser.parse_args(arguments)
    paths = sorted((options.bench / options.set / "documents").rglob("*.pdf"))
    print(f"| file | {_COLUMNS.replace(', ', ' | ')} |\n|{'---|' * (_COLUMNS.count(',') + 2)}")
    rows = [list(figures(path)) for path in paths]
    for path, row in zip(paths, rows, strict=True):
        _print_row(path.stem, row)
    for name, choose in (("mean", mean), ("worst", min)):
        _print_row(name, [choose(column) for column in zip(*rows, strict=True)])
    print(f"\npages per CPU second: {speed(paths, _read):.0f}")
    if options.pypdf:
        print(f"the same with pypdf: {speed(paths, _read_with_pypdf):.1f}")


def figures(path: Path) -> Iterator[float]:
    """Yield how far the words of a file agree, one figure a column of the table."""
    read = _WORD.findall(load_document(path.name, path.read_bytes()).text)
    layout, raw, default = (_pdftotext(path, *mode) for mode in (["-layout"], ["-raw"], []))
    yield _agreement(layout, read, _common)
    yield _agreement(_without_running_lines(layout), read, _common)
    for text in (layout, raw, default):
        yield _agreement(text, read, LCSseq.similarity)


def speed(paths: Sequence[Path], read: Callable[[Path], int]) -> float:
    """Return the number of pages read per CPU second."""
    started = time.process_time()
    return sum(map(read, paths)) / (time.process_time() - started)


def _agreement(
    text: str, read: Sequence[str], common: Callable[[Sequence[str], Sequence[str]], int]
) -> float:
    words = _WORD.findall(text)
    return 2 * common(words, read) / (len(words) + len(read))


def _common(words: Sequence[str], others: Sequence[str]) -> int:
    return (Counter(words) & Counter(others)).total()


def _pdftotext(path: Path, *mode: str) -> str:
    command = ["pdftotext", *mode, str(path), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _without_running_lines(text: str) -> str:
    """Return a text without the lines at the ends of pages that return, whatever their numbers."""
    pages = [page.strip().splitlines() or [""] for page in text.split("\f")]
    for edge in (0, 0, -1, -1):
        shapes = [re.sub(r"\d+", "#", " ".join(page[edge].split())) for page in pages]
        counts = Counter(shapes)
        running = [2 * counts[shape] > len(pages) for shape in shapes]
        pages = [
            ("\n".join(page[1:] if edge == 0 else page[:-1]).strip().splitlines() or [""])
            if drop
            else page
            for page, drop in zip(pages, running, strict=True)
        ]
    return "\f".join("\n".join(page) for page in pages)


def _print_row(name: str, row: Sequence[float]) -> None:
    print(f"| {name} | {' | '.join(f'{figure:.4f}' for figure in row)} |")


def _read(path: Path) -> int:
    return len(load_document(path.name, path.read_bytes()).places)


def _read_with_pypdf(path: Path) -> int:
    """Return the number of pages that pypdf reads, as PyPDFLoader does, up to its own limits."""
    count = 0
    with suppress(PyPdfError):
        for page in PdfReader(path).pages:
            page.extract_text()
            count += 1
    return count


if __name__ == "__main__":
    main()
