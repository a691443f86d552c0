"""The question sets as values: what to index, what to ask, and what should be found.

The folder has one folder a set. SciFact, FaQuAD and CLAP NQ are passages (``corpus.jsonl`` and
``qrels.tsv``), XQuAD is whole articles with the span of the evidence, and of the quarterly reports
(``sec-10-q``, PDF) and the office folders only the file that answers is known. ``fastapi-pt-en``
asks the English files of ``fastapi-docs`` in Portuguese, ``fastapi-en-pt`` the other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.retrieval.translations import section_questions
from ingest import Document, Language
from ingest.loaders import load_document


@dataclass(frozen=True, slots=True)
class Text:
    """A passage, an article, a line of one, or a page; ``start`` is its offset in the file."""

    source: str
    text: str
    start: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the sources that answer it, or the span of the one that does."""

    text: str
    sources: frozenset[str]
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set of questions over texts.

    Attributes:
        name: The folder it comes from, or what is made of it.
        language: Of the texts; the questions of some sets are in two languages, or in another.
        texts: What a system is given: passages, articles, pages or files.
        pieces: The same for a system that doesn't split: passages, lines of articles, sections of
            Markdown, pages or files.
        questions: In their published order.
        documents: The folder of the files; None for passages.
    """

    name: str
    language: Language
    texts: tuple[Text, ...]
    pieces: tuple[Text, ...]
    questions: tuple[Question, ...]
    documents: Path | None = None


ACROSS = ("fastapi-pt-en", "fastapi-en-pt")
SETS = ("scifact", "faquad", "clapnq", "xquad-en", "sec-10-q", "office", *ACROSS)


def load_dataset(folder: Path, name: str) -> Dataset:
    """Return a set by its name."""
    match name:
        case "xquad-en":
            return _articles(folder / name)
        case "sec-10-q":
            return _reports(folder / name)
        case "office":
            return _office(folder / name)
        case "fastapi-pt-en":
            return _across(folder / "fastapi-docs", name, "pt", "en")
        case "fastapi-en-pt":
            return _across(folder / "fastapi-docs", name, "en", "pt")
    return _passages(folder / name, "pt" if name == "faquad" else "en")


def _passages(folder: Path, language: Language) -> Dataset:
    rows = read_rows(folder / "corpus.jsonl")
    texts = tuple(
        Text(row["_id"], "\n\n".join(filter(None, (row["title"], row["text"])))) for row in rows
    )
    relevant = _relevant(folder / "qrels.tsv")
    questions = tuple(
        Question(row["text"], relevant[row["_id"]])
        for row in read_rows(folder / "queries.jsonl")
        if row["_id"] in relevant
    )
    return Dataset(folder.name, language, texts, texts, questions)


def _articles(folder: Path) -> Dataset:
    documents = folder / "documents"
    texts = tuple(
        # Offsets count the file's own characters: line ends stay as they are.
        Text(path.name, path.read_bytes().decode())
        for path in sorted(documents.iterdir())
    )
    lines = tuple(line for text in texts for line in _lines(text))
    questions = tuple(
        Question(row["text"], frozenset([Path(row["source"]).name]), (*row["evidence_span"],))
        for row in read_rows(folder / "queries.jsonl")
    )
    return Dataset(folder.name, "en", texts, lines, questions, documents)


def _reports(folder: Path) -> Dataset:
    documents = folder / "documents"
    pages = tuple(page for path in sorted(documents.iterdir()) for page in _pages(path))
    questions = tuple(
        Question(row["text"], frozenset(Path(source).name for source in row["sources"]))
        for row in read_rows(folder / "queries.jsonl")
    )
    return Dataset(folder.name, "en", pages, pages, questions, documents)


def _office(folder: Path) -> Dataset:
    """Return the office folders; their questions are in two languages."""
    documents = folder / "documents"
    paths = (path for path in sorted(documents.rglob("*")) if path.is_file())
    texts = tuple(
        Text(
            path.relative_to(documents).as_posix(), load_document(path.name, path.read_bytes()).text
        )
        for path in paths
    )
    questions = tuple(
        Question(row["text"], frozenset(row["sources"]))
        for row in read_rows(folder / "queries.jsonl")
        if row["answerable"]
    )
    return Dataset(folder.name, "en", texts, texts, questions, documents)


def _across(folder: Path, name: str, asked: Language, language: Language) -> Dataset:
    """Return questions in one language on the files of another."""
    documents = folder / "documents" / language
    files = [
        (path.relative_to(documents).as_posix(), load_document(path.name, path.read_bytes()))
        for path in sorted(documents.rglob("*.md"))
    ]
    texts = tuple(Text(source, document.text) for source, document in files)
    sections = tuple(section for file in files for section in _sections(*file))
    questions = tuple(
        Question(text, frozenset([source]))
        for text, source in section_questions(folder / "documents" / asked, documents)
    )
    return Dataset(name, language, texts, sections, questions, documents)


def _sections(source: str, document: Document) -> Iterator[Text]:
    starts = [0, *(heading.start for heading in document.headings), len(document.text)]
    for start, end in pairwise(starts):
        if document.text[start:end].strip():
            yield Text(source, document.text[start:end], start)


def _pages(path: Path) -> Iterator[Text]:
    document = load_document(path.name, path.read_bytes())
    ends = (*document.pages[1:], len(document.text))
    for number, (start, end) in enumerate(zip(document.pages, ends, strict=True), 1):
        if text := document.text[start:end].strip():
            yield Text(path.name, text, start, number)


def _lines(article: Text) -> Iterator[Text]:
    start = 0
    for line in article.text.splitlines(keepends=True):
        if line.strip():
            yield Text(article.source, line, start)
        start += len(line)


def _relevant(path: Path) -> Mapping[str, frozenset[str]]:
    """Return the relevant passages of each question that has any."""
    relevant: dict[str, set[str]] = {}
    for line in path.read_text("utf-8").splitlines()[1:]:
        question, passage, score = line.split("\t")
        if int(score) > 0:
            relevant.setdefault(question, set()).add(passage)
    return {question: frozenset(passages) for question, passages in relevant.items()}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
