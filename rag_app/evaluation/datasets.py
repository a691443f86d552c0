"""Read a data set: a BEIR folder, a folder of documents with questions, or a file of questions.

- A file of questions has one JSON object per line: ``{"question": …, "answers": […], "source":
  …}``. The last two are optional; ``"answerable": false`` or an empty list of answers marks a
  question that the documents do not answer. The questions are asked of the user's own index.
- A folder with ``documents/`` and ``queries.jsonl`` has the documents and such questions.
- A BEIR folder has ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv`` or ``qrels/test.tsv``
  (Thakur et al., "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information
  Retrieval Models", 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from ingest import UsageError
from rag_app.evaluation.jsonl import Line, read_lines, read_text, shown
from rag_app.evaluation.types import Dataset, Question

_DOCUMENTS = "documents"
_QUERIES = "queries.jsonl"
_CORPUS = "corpus.jsonl"
_QRELS = ("qrels.tsv", "qrels/test.tsv")
_QRELS_COLUMNS = 3
_KEYS = (
    "_id question text answers answerable answer_type source sources evidence evidence_span".split()
)
# Above 'question_id' (0.84), which data sets have beside 'question', and below 'anwsers' (0.86).
_SIMILARITY = 0.85


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a corpus: its id, and its title and text as one text, which may be empty."""

    id: str
    text: str


def load_dataset(path: Path | str) -> Dataset:
    """Return the data set at ``path``.

    Raises:
        UsageError: There is no data set, or a line of it is invalid.
    """
    place = Path(path)
    if place.is_file():
        return _named(place.stem, _questions(place), None)
    if (place / _CORPUS).is_file():
        qrels = next((place / name for name in _QRELS if (place / name).is_file()), None)
        if qrels is None:
            raise UsageError(f"{place} has {_CORPUS} but neither {' nor '.join(_QRELS)}")
        return _named(place.name, _judged(place / _QUERIES, qrels), place / _CORPUS)
    if (place / _DOCUMENTS).is_dir():
        questions = _in_folder(_questions(place / _QUERIES), place)
        return _named(place.name, questions, place / _DOCUMENTS)
    if not place.exists():
        raise UsageError(f"there is no data set {place}: name a folder or a file of questions")
    raise UsageError(
        f"{place} is not a data set: it has neither {_CORPUS} nor a folder {_DOCUMENTS} "
        f"beside {_QUERIES}"
    )


def read_passages(corpus: Path) -> Iterator[Passage]:
    """Yield the passages of a BEIR corpus: title, blank line, text; either may be empty.

    Raises:
        UsageError: A line is invalid.
    """
    for line in read_lines(corpus):
        # Texts may be empty, as in TREC-COVID, but a missing key is probably misspelled.
        empty = "" if "text" in line.values else None
        parts = (line.text("title", default=""), line.text("text", default=empty))
        yield Passage(line.text("_id"), "\n\n".join(part for part in parts if part.strip()))


def limited(dataset: Dataset, count: int | None) -> Dataset:
    """Return the data set with at most ``count`` questions, evenly spaced."""
    total = len(dataset.questions)
    if count is None or count >= total:
        return dataset
    chosen = tuple(dataset.questions[number * total // count] for number in range(count))
    return replace(dataset, questions=chosen)


def _named(name: str, questions: Iterator[Question], corpus: Path | None) -> Dataset:
    known: dict[str, Question] = {}
    for question in questions:
        if question.id in known:
            raise UsageError(
                f"{question.origin}: the id '{question.id}' was used before, "
                f"in {known[question.id].origin}"
            )
        known[question.id] = question
    if not known:
        raise UsageError(f"the data set {name} has no question")
    return Dataset(name, tuple(known.values()), corpus)


def _questions(file: Path) -> Iterator[Question]:
    for line in read_lines(file):
        _check_keys(line)
        answers = line.texts("answers")
        answerable = line.truth("answerable")
        if answerable is None and answers is not None:
            answerable = bool(answers)
        sources = line.texts("sources") or (
            (line.text("source"),) if line.values.get("source") else ()
        )
        span = line.span("evidence_span")
        if span and len(sources) != 1:
            raise UsageError(f"{line.place}: 'evidence_span' needs one 'source' that it counts in")
        key = "text" if "text" in line.values and "question" not in line.values else "question"
        yield Question(
            id=line.text("_id", default=str(line.number)),
            text=line.text(key),
            origin=line.place,
            answers=answers or (),
            verbatim=line.values.get("answer_type") != "long",
            answerable=answerable,
            relevant=dict.fromkeys(sources, 1) if answerable is not False else {},
            span=span,
            evidence=line.text("evidence") if span and line.values.get("evidence") else None,
        )


def _check_keys(line: Line) -> None:
    """Raise UsageError if a key looks like a misspelled known one; other extra keys are ignored."""
    for key in line.values:
        meant = _meant(key)
        if meant and meant not in line.values:
            raise UsageError(
                f"{line.place}: the key '{key}' is unknown: did you mean '{meant}'? "
                f"Known are {', '.join(_KEYS)}"
            )


@cache
def _meant(key: str) -> str | None:
    return next(iter(get_close_matches(key.casefold(), _KEYS, n=1, cutoff=_SIMILARITY)), None)


def _in_folder(questions: Iterator[Question], folder: Path) -> Iterator[Question]:
    """Yield the questions with their sources as paths relative to the documents folder."""
    for question in questions:
        sources = [source.removeprefix(f"{_DOCUMENTS}/") for source in question.relevant]
        for source in sources:
            file = folder / _DOCUMENTS / source
            if Path(source).is_absolute() or not file.is_file():
                raise UsageError(f"{question.origin}: there is no file {file}")
        yield replace(question, relevant=dict.fromkeys(sources, 1))


def _judged(queries: Path, qrels: Path) -> Iterator[Question]:
    """Yield the questions with qrels, and the unanswerable ones.

    A question with a relevant passage never counts as unanswerable, whatever the file says.
    """
    grades = _grades(qrels)
    for question in _questions(queries):
        relevant = grades.pop(question.id, None)
        if relevant:
            answerable = question.answerable or None
            yield replace(question, relevant=relevant, span=None, answerable=answerable)
        elif question.answerable is False:
            yield replace(question, relevant={}, span=None)
    if grades:
        raise UsageError(f"{qrels} judges '{next(iter(grades))}', which is not in {queries}")


def _grades(qrels: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for number, row in enumerate(read_text(qrels).splitlines(), 1):
        columns = row.split("\t")
        if not row.strip() or (number == 1 and columns[-1].strip() == "score"):
            continue
        if len(columns) != _QRELS_COLUMNS or not columns[2].strip().isdecimal():
            raise UsageError(
                f"{qrels}, line {number}: expected query-id, corpus-id and score between tabs, "
                f"not {shown(row)}"
            )
        if grade := int(columns[2]):
            grades.setdefault(columns[0], {})[columns[1]] = grade
    return grades
