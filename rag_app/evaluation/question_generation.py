"""Generate questions about the user's own documents with a chat model.

They are easier than people's questions, as they are written from the text that answers them:
review them before trusting a metric.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from ingest import Candidate, UsageError
from rag_app.app import RagApp
from rag_app.llms.thinking import answer_text
from rag_app.prompts import load_prompt

_PROMPT = Path(__file__).with_name("question.yaml")
_LANGUAGES = {"en": "English", "pt": "Portuguese"}
_SEED = 20250101
# Characters; both chosen by hand.
_MIN_CHUNK = 200
_MAX_ANSWER = 200
_REPLY = re.compile(
    r"QUESTION:\s*(?P<question>\S.*?)\s*^\W*ANSWER:\s*(?P<answer>\S.*)", re.S | re.M
)


@dataclass(frozen=True, slots=True)
class GeneratedQuestion:
    """A question with its answer, which is the text of ``source`` from ``start`` to ``end``."""

    question: str
    answer: str
    source: str
    start: int
    end: int


def generate_questions(app: RagApp) -> Iterator[GeneratedQuestion | None]:
    """Yield a question for each chunk of the index, or None if the reply is unusable.

    The chunks are shuffled with a fixed seed.

    Raises:
        UsageError: The chat model is ``extractive``, or no chunk is long enough.
        ProviderError: The chat model failed.
    """
    if app.settings.is_extractive:
        raise UsageError(
            "'extractive' quotes and can't write questions: choose a chat model that writes, "
            "as in --llm openai:<model>"
        )
    llm = app.llm
    for candidate in _sampled_chunks(app):
        yield _write_question(llm, candidate)


def _sampled_chunks(app: RagApp) -> list[Candidate]:
    # A search for as many chunks as there are returns all of them.
    found = app.store.candidates("question", max(app.status().chunks, 1))
    chunks = [one for one in found if len(one.row.chunk.text) >= _MIN_CHUNK]
    if not chunks:
        raise UsageError(
            f"the index {app.settings.index} has no chunk of {_MIN_CHUNK} characters to ask "
            "about: run 'rag index' on more documents"
        )
    chunks.sort(key=lambda one: (one.row.source, one.row.ordinal))
    random.Random(_SEED).shuffle(chunks)
    return chunks


def _write_question(llm: BaseChatModel, candidate: Candidate) -> GeneratedQuestion | None:
    row = candidate.row
    language = _LANGUAGES[row.language]
    messages = load_prompt(str(_PROMPT)).messages(language=language, text=row.chunk.text)
    reply = _REPLY.search(answer_text(llm.invoke(messages)))
    if reply is None:
        return None
    question = " ".join(reply["question"].split())
    place = _find(reply["answer"].strip(" \"'“”*."), row.chunk.text)
    if not question.endswith("?") or place is None:
        return None
    start, end = place
    answer = row.chunk.text[start:end]
    offset = row.chunk.start
    return GeneratedQuestion(question, answer, row.source, offset + start, offset + end)


def _find(answer: str, text: str) -> tuple[int, int] | None:
    """Return the span of the answer in the text: whole words, any case and white space."""
    if not answer or len(answer) > _MAX_ANSWER:
        return None
    words = r"\s+".join(map(re.escape, answer.split()))
    found = re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE)
    return found.span() if found else None
