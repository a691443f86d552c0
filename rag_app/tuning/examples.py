"""Match the questions of a file to the chunks of the index that answer them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest import Index, UsageError, split_sentences
from rag_app.evaluation.jsonl import Line, read_lines
from rag_app.tuning.types import Example, IndexedChunk, KnownQuestion, Unmatched

# An answer in more chunks than this, such as a year, is ambiguous. Both chosen by hand.
_MAX_CHUNKS = 3
_MIN_SENTENCE_WORDS = 4
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Matched:
    """Questions with their chunks, and questions without."""

    examples: tuple[Example, ...]
    unmatched: tuple[Unmatched, ...]


def read_questions(file: Path) -> list[KnownQuestion]:
    """Return the questions of a JSONL file.

    A line is ``{"question": …, "source": …, "answers": […], "evidence": …}``; all but the question
    are optional.

    Raises:
        UsageError: The file can't be read, or a line is invalid.
    """
    questions = [_question(line) for line in read_lines(file)]
    if not questions:
        raise UsageError(f"{file} has no question")
    return questions


def read_chunks(index: Index) -> list[IndexedChunk]:
    """Return all chunks of the index, in document order."""
    return [
        IndexedChunk(row.source, row.chunk.text, row.chunk.embedding_text) for row in index.chunks()
    ]


def match_questions(questions: Sequence[KnownQuestion], chunks: Sequence[IndexedChunk]) -> Matched:
    """Return each question with the chunks that contain its evidence and its answer."""
    matcher = _Matcher(chunks)
    examples, unmatched = [], []
    for question in questions:
        found = matcher.find(question)
        if isinstance(found, str):
            unmatched.append(Unmatched(question.place, question.text, found))
        else:
            examples.append(Example(question.text, tuple(found)))
    return Matched(tuple(examples), tuple(unmatched))


def sample_chunks(
    examples: Sequence[Example], chunks: Sequence[IndexedChunk], count: int, seed: int
) -> list[int]:
    """Return the positions of the examples' chunks and of others in the same documents.

    Args:
        examples: The examples, of which every chunk is taken.
        chunks: All chunks.
        count: Number of positions, if the documents have as many chunks.
        seed: Random seed.
    """
    known = {at for example in examples for at in example.chunks}
    sources = {chunks[at].source for at in known}
    others = [at for at, one in enumerate(chunks) if one.source in sources and at not in known]
    rest = min(len(others), max(0, count - len(known)))
    return [*sorted(known), *random.Random(seed).sample(others, rest)]


def _question(line: Line) -> KnownQuestion:
    return KnownQuestion(
        text=line.text("question"),
        place=line.place,
        source=_text_or_none(line, "source"),
        answers=line.texts("answers") or (),
        evidence=_text_or_none(line, "evidence"),
    )


def _text_or_none(line: Line, key: str) -> str | None:
    return None if line.values.get(key) is None else line.text(key, default="") or None


class _Matcher:
    """The words of every chunk, searched for the words of answers and evidence."""

    def __init__(self, chunks: Sequence[IndexedChunk]) -> None:
        self._words = [_words(chunk.text) for chunk in chunks]
        self._by_source: dict[str, list[int]] = {}
        for position, chunk in enumerate(chunks):
            self._by_source.setdefault(chunk.source, []).append(position)

    def find(self, question: KnownQuestion) -> list[int] | str:
        """Return the positions of the chunks, or the reason why there are none."""
        if not (question.evidence or question.answers):
            return "it has neither evidence nor answers"
        if question.source is not None and question.source not in self._by_source:
            return f"the index has no document '{question.source}'"
        found = self._by_source[question.source] if question.source else range(len(self._words))
        where = question.source or "the index"
        if question.evidence:
            found = self._with_evidence(question.evidence, found)
            if not found:
                return f"no chunk of {where} holds its evidence"
        if question.answers:
            holding = self._with_answer(question.answers, found)
            if not holding and not question.evidence:
                return f"no chunk of {where} holds its answer"
            found = holding or found
        if len(found) > _MAX_CHUNKS:
            what = "evidence is spread over" if question.evidence else "answer is in"
            return f"its {what} {len(found)} chunks of {where}: give shorter evidence"
        return list(found)

    def _with_evidence(self, evidence: str, among: Sequence[int]) -> list[int]:
        """Return the chunks that contain the evidence, are part of it, or share a sentence."""
        whole = _words(evidence)
        pieces = [whole, *_sentences(evidence)]
        return [
            at
            for at in among
            if any(piece in self._words[at] for piece in pieces) or self._words[at] in whole
        ]

    def _with_answer(self, answers: Sequence[str], among: Sequence[int]) -> list[int]:
        wanted = [words for answer in answers if (words := _words(answer)).strip()]
        return [at for at in among if any(words in self._words[at] for words in wanted)]


def _sentences(text: str) -> Iterator[str]:
    for start, end in split_sentences(text):
        words = _words(text[start:end])
        if len(words.split()) >= _MIN_SENTENCE_WORDS:
            yield words


def _words(text: str) -> str:
    """Return the words with spaces around each, so that only whole words match."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "
