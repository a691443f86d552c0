"""Let a chat model write questions about the user's own documents.

They are easier than the questions of people, as they are written from the very text that answers
them; read them before you trust a figure.
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
_SHORTEST_CHUNK = 200
_LONGEST_ANSWER = 200
_REPLY = re.compile(
    r"QUESTION:\s*(?P<question>\S.*?)\s*^\W*ANSWER:\s*(?P<answer>\S.*)", re.S | re.M
)


@dataclass(frozen=True, slots=True)
class GeneratedQuestion:
    """A question with its answer, which stands in ``source`` from ``start`` to ``end``."""

    question: str
    answer: str
    source: str
    start: int
    end: int


def generate_questions(app: RagApp) -> Iterator[GeneratedQuestion | None]:
    """Yield a question for each chunk of the index, or None if the reply was of no use.

    The order of the chunks is random, and the same for the same index.

    Raises:
        UsageError: The chat model can't write, or no chunk is long enough.
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
    # Asked for as many as there are, the index gives every chunk, whatever the question.
    found = app.store.candidates("question", max(app.status().chunks, 1))
    chunks = [one for one in found if len(one.row.chunk.text) >= _SHORTEST_CHUNK]
    if not chunks:
        raise UsageError(
            f"the index {app.settings.index} has no chunk of {_SHORTEST_CHUNK} characters to ask "
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
    """Return where the answer stands in the text as whole words, whatever its case and spaces."""
    if not answer or len(answer) > _LONGEST_ANSWER:
        return None
    words = r"\s+".join(map(re.escape, answer.split()))
    found = re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE)
    return found.span() if found else None
