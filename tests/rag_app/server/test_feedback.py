"""Feedback is a file of questions that ``rag eval`` reads."""

from __future__ import annotations

import json
from pathlib import Path

from rag_app import Answer, Citation
from rag_app.evaluation.datasets import load_dataset
from rag_app.server.feedback import FeedbackFile

QUOTE = Citation(1, "a.md", None, 3, 8, "words", 1.0, True, "en", "line 2")
ANSWERED = Answer("What holds?", "Words hold. [1]", (QUOTE,), llm="extractive")
ABSTAINED = Answer("What is missing?", "I don't know.", abstained=True)


def test_judgements_become_questions_with_the_places_of_their_answers(tmp_path: Path) -> None:
    feedback = FeedbackFile(tmp_path / "feedback.jsonl")
    feedback.add("ana", ANSWERED, helpful=True, note="")
    feedback.add("bob", ABSTAINED, helpful=True, note="as it should")
    feedback.add("bob", ANSWERED, helpful=False, note="não é isso")
    read = load_dataset(feedback.file).questions
    assert [one.text for one in read] == ["What holds?", "What is missing?", "What holds?"]
    assert [one.answerable for one in read] == [None, False, None]
    assert [one.span for one in read] == [(3, 8), None, None]
    assert [dict(one.relevant) for one in read] == [{"a.md": 1}, {}, {}]
    last = json.loads(feedback.file.read_text("utf-8").splitlines()[-1])
    assert (last["note"], last["by"], last["answered"]) == ("não é isso", "bob", "Words hold. [1]")
