"""Compare two evaluations question by question."""

from __future__ import annotations

from collections.abc import Iterator

from rag_app.evaluation.statistics import mean, permutation_p
from rag_app.evaluation.types import Change, Comparison, Evaluation, Flip


def compare(before: Evaluation, after: Evaluation) -> Comparison:
    """Return what changed between two evaluations of the same questions."""
    changes = (_change(before, after, measure) for measure in before.scores)
    return Comparison(
        before,
        after,
        changes=tuple(change for change in changes if change),
        flips=tuple(_flips(before, after)),
    )


def _change(before: Evaluation, after: Evaluation, measure: str) -> Change | None:
    first, second = before.scores[measure], after.scores.get(measure, {})
    shared = [question for question in first if question in second]
    if not shared:
        return None
    differences = [second[question] - first[question] for question in shared]
    return Change(
        measure=measure,
        before=sum(first[question] for question in shared) / len(shared),
        after=sum(second[question] for question in shared) / len(shared),
        difference=mean(differences),
        p=permutation_p(differences),
        wins=sum(difference > 0 for difference in differences),
        losses=sum(difference < 0 for difference in differences),
        ties=sum(difference == 0 for difference in differences),
    )


def _flips(before: Evaluation, after: Evaluation) -> Iterator[Flip]:
    for old, new in zip(before.outcomes, after.outcomes, strict=True):
        was, now = before.right(old), after.right(new)
        if was is not None and now is not None and was != now:
            yield Flip(old.question, old.answer, new.answer, gained=now)
