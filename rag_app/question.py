"""What can be asked at all."""

from __future__ import annotations

from ingest import UsageError


def check_question(question: object) -> None:
    """Raise UsageError if a question is no text, says nothing, or holds what is no text."""
    if not isinstance(question, str):
        raise UsageError(f"the question has to be a text, not {question!r}"[:200])
    if not question.strip():
        raise UsageError("the question is empty: ask something, in a word or more")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"character {error.start + 1} of the question is no valid text: "
            "write it in UTF-8, or check the terminal's encoding"
        ) from None
