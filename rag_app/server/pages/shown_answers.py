"""What the page shows of an answer, besides its text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ingest import RagError
from rag_app.app import RagApp
from rag_app.conversation import Turn
from rag_app.server.pages.rendering import answer_html, conflicting, sentence_html
from rag_app.types import Answer, Citation

_WEAK = 0.4  # retrieval confidence below which a reader is warned; chosen by hand


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn of a conversation as the page shows it.

    Attributes:
        n: Its number, from 1.
        turn: The turn.
        html: The text of the answer.
        dates: The dates of the cited documents by source; without those that state none.
        conflicts: Groups of citations that disagree.
        unsupported: The sentences without support, as HTML.
    """

    n: int
    turn: Turn
    html: Markup
    dates: dict[str, str]
    conflicts: list[list[Citation]]
    unsupported: list[Markup]

    @property
    def answer(self) -> Answer:
        """The answer."""
        return self.turn.answer

    @property
    def is_rewritten(self) -> bool:
        """Whether the question was searched for in other words."""
        return self.turn.condensed != self.turn.question

    @property
    def is_weak(self) -> bool:
        """Whether the chunks may not hold the answer."""
        confidence = self.answer.retrieval_confidence
        return not self.answer.abstained and confidence is not None and confidence < _WEAK


def shown_turns(app: RagApp, turns: Sequence[Turn], first: int = 1) -> list[ShownTurn]:
    """Return turns as the page shows them, numbered from ``first``."""
    cited = (one.source for turn in turns for one in _cited(turn.answer))
    dates = _dates(app, cited)
    return [_shown(n, turn, dates) for n, turn in enumerate(turns, first)]


def _shown(n: int, turn: Turn, dates: dict[str, str]) -> ShownTurn:
    by_number = {citation.n: citation for citation in turn.answer.citations}
    groups = [[by_number[n] for n in group] for group in conflicting(turn.answer)]
    html = answer_html(turn.answer, f"t{n}-c")
    unsupported = [sentence_html(one) for one in turn.answer.unsupported]
    return ShownTurn(n, turn, html, dates, groups, unsupported)


def _cited(answer: Answer) -> Iterable[Citation]:
    return (*answer.citations, *answer.nearest)


def _dates(app: RagApp, sources: Iterable[str]) -> dict[str, str]:
    """Return the dates of documents that are still in the index."""
    try:
        found = app.store.texts(sources)
    except RagError:
        return {}
    dates = {source: document.metadata.get("date", "") for source, document in found.items()}
    return {source: str(date) for source, date in dates.items() if date}
