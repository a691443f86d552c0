"""Measure text recognition on pages made from the sample documents.

    python -m benchmarks.ocr [--documents FOLDER]

Each document is set in type, rendered at 150 and 300 dpi, tilted by 1 to 2 degrees and covered with
noise, as a scanner would. The character error rate is the edit distance to the text, per character,
with each run of white space as one space.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np
import pypdfium2
from PIL import Image
from rapidfuzz.distance import Levenshtein
from reportlab.pdfgen.canvas import Canvas

from ingest.loaders import load_document
from ingest.loaders.ocr import PageReader

_SUFFIXES = (".txt", ".html", ".docx", ".pdf")
_TILTS = (1.0, -1.5, 2.0)
_NOISE = 12.0
_LINES = 52


def set_pages(text: str) -> bytes:
    """Return a PDF of the text in two typefaces, page by page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    lines = [line for block in text.splitlines() for line in wrap(block, 84) or [""]]
    for number, first in enumerate(range(0, len(lines), _LINES)):
        canvas.setFont(("Times-Roman", "Helvetica")[number % 2], 11)
        for i, line in enumerate(lines[first : first + _LINES]):
            canvas.drawString(64, 780 - 14 * i, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def scan(page: Image.Image, tilt: float, seed: int) -> Image.Image:
    """Return the page tilted by so many degrees, with noise; the seed makes it repeatable."""
    tilted = page.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=255)
    noise = np.random.default_rng(seed).normal(0, _NOISE, (page.height, page.width))
    return Image.fromarray(np.clip(np.asarray(tilted) + noise, 0, 255).astype(np.uint8))


def scanned_pages(text: str, dpi: int) -> Iterator[Image.Image]:
    """Yield each page of the text as a scanner would see it."""
    with pypdfium2.PdfDocument(set_pages(text)) as file:
        for number in range(len(file)):
            page = file[number].render(scale=dpi / 72, grayscale=True).to_pil()
            yield scan(page, _TILTS[number % len(_TILTS)], number)


def error_rate(text: str, read: str) -> float:
    """Return the edit distance between two texts, per character of the first."""
    wanted, got = " ".join(text.split()), " ".join(read.split())
    return Levenshtein.distance(wanted, got) / len(wanted)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ocr")
    parser.add_argument("--documents", type=Path, default=Path("data/documents"))
    options = parser.parse_args(arguments)
    print(
        "| document | dpi | pages | character error rate | CPU seconds a page |\n"
        "|---|---|---|---|---|"
    )
    for path in sorted(options.documents.rglob("*")):
        if path.suffix in _SUFFIXES:
            text = load_document(path.name, path.read_bytes()).text
            for dpi in (150, 300):
                print(
                    f"| {path.parent.name}/{path.name} | {dpi} | {_figures(text, dpi)} |",
                    flush=True,
                )


def _figures(text: str, dpi: int) -> str:
    pages = list(scanned_pages(text, dpi))
    started = time.process_time()
    with PageReader() as reader:
        read = "\n".join(reader.read(page, dpi).replace("\x02", "-") for page in pages)
    seconds = (time.process_time() - started) / len(pages)
    return f"{len(pages)} | {error_rate(text, read):.4f} | {seconds:.1f}"


if __name__ == "__main__":
    main()
