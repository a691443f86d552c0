"""Feedback on answers, as a JSONL file that ``rag eval`` reads as questions."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from rag_app.types import Answer


class FeedbackFile:
    """Appends one JSON line a judgement; many threads may use it at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def add(self, owner: str, answer: Answer, helpful: bool, note: str) -> None:
        """Append a judgement.

        A helpful answer's first quote is the place where ``rag eval`` expects the answer. Of other
        answers only the question is known, so they have no expected place.
        """
        record: dict[str, object] = {
            "question": answer.question,
            "helpful": helpful,
            "note": note,
            "answered": answer.text,
            "llm": answer.llm,
            "by": owner,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if helpful and answer.citations:
            first = answer.citations[0]
            record["source"], record["evidence"] = first.source, first.quote
            record["evidence_span"] = [first.start, first.end]
        elif helpful and answer.abstained:
            record["answerable"] = False
        with self._lock, self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
