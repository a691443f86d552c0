"""Decode texts that were encoded in ten encodings, without being told which.

    python -m benchmarks.encodings --bench FOLDER [--half odd|even]

The paragraphs of FaQuAD are Portuguese; those of CLAP NQ and XQuAD that hold a character beyond
ASCII are English. A character that an encoding lacks is written as its users did (" for “),
and a paragraph that still doesn't fit, or is plain ASCII, is left out. The rules were chosen on the
even paragraphs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.retrieval.datasets import read_rows
from ingest.errors import LoadError
from ingest.loaders.encodings import decode

ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16-le",
    "utf-16-be",
    "utf-32-le",
    "cp1252",
    "latin-1",
    "iso-8859-15",
    "cp850",
    "cp860",
    "mac-roman",
)
_PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "..."})


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encodings")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument("--half", choices=("odd", "even"), default="odd")
    options = parser.parse_args(arguments)
    print("| texts | encoding | paragraphs | exactly right | share |\n|---|---|---|---|---|")
    for name, texts in paragraphs(options.bench, options.half).items():
        for encoding in ENCODINGS:
            judged = [is_right(text, content) for text, content in encoded(texts, encoding)]
            share = sum(judged) / max(1, len(judged))
            print(f"| {name} | {encoding} | {len(judged)} | {sum(judged)} | {share:.3f} |")


def paragraphs(bench: Path, half: str) -> dict[str, list[str]]:
    """Return every second paragraph of each set; of the English ones, those beyond ASCII."""
    faquad = [row["text"] for row in read_rows(bench / "faquad" / "corpus.jsonl")]
    english = [row["text"] for row in read_rows(bench / "clapnq" / "corpus.jsonl")]
    for path in sorted((bench / "xquad-en" / "documents").glob("*.txt")):
        english += path.read_text("utf-8").split("\n")
    english = [text for text in english if not text.isascii()]
    first = 1 if half == "odd" else 0
    return {"faquad": faquad[first::2], "English": english[first::2]}


def encoded(texts: Sequence[str], encoding: str) -> Iterator[tuple[str, bytes]]:
    """Yield each text that the encoding can write, as it is written, with its bytes."""
    for text in texts:
        for written in (text, text.translate(_PLAIN)):
            try:
                content = written.encode(encoding)
            except UnicodeEncodeError:
                continue
            if not written.isascii():
                yield written, content
            break


def is_right(text: str, content: bytes) -> bool:
    """Return whether the text comes out of its bytes exactly, but for its line ends."""
    try:
        return decode(content) == text.replace("\r\n", "\n")
    except LoadError:
        return False


if __name__ == "__main__":
    main()
