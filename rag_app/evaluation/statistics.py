"""Confidence intervals of metrics, and significance tests of two configurations.

All resampling is seeded: the same values give the same interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag_app.evaluation.types import Change, Comparison, Estimate, Evaluation, Flip

_SEED = 20250101
# Chosen by hand.
_RESAMPLES = 2000
_PERMUTATIONS = 10_000
_BATCH = 200  # resamples at a time: all at once would take gigabytes

Values = NDArray[np.float64]


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean of at least one value, with its interval."""
    return _estimate(np.mean, values)


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> Estimate:
    """Return the area under the ROC curve, with its interval.

    It is the chance that a positive has the higher value; ties count half (Hanley and McNeil,
    1982).
    """
    return _estimate(_share_higher, positives, negatives)


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Return the sum of ``parts`` over the sum of ``wholes``, resampled in pairs, with interval.

    Both have one value per group: questions, or documents with all their questions.
    """
    return _estimate(_ratio, parts, wholes, paired=True)


def permutation_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the mean of paired differences, by random sign flips."""
    from scipy import stats

    if not any(differences):
        return 1.0
    test = stats.permutation_test(
        (np.asarray(differences, np.float64),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_PERMUTATIONS,
        batch=_BATCH,
        rng=np.random.default_rng(_SEED),
    )
    return float(test.pvalue)


def _estimate(statistic: Any, *samples: Sequence[float], paired: bool = False) -> Estimate:
    from scipy import stats

    arrays = tuple(np.asarray(sample, np.float64) for sample in samples)
    value = float(statistic(*arrays, axis=-1))
    count = len(arrays[0]) if paired else sum(map(len, arrays))
    if min(map(len, arrays)) < 2:
        return Estimate(value, None, None, count)
    interval = stats.bootstrap(
        arrays,
        statistic,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        vectorized=True,
        paired=paired,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    if interval.low == interval.high:
        # All values are equal, so resampling says nothing about the uncertainty.
        return Estimate(value, None, None, count)
    return Estimate(value, float(interval.low), float(interval.high), count)


def _share_higher(positives: Values, negatives: Values, axis: int) -> Any:
    from scipy import stats

    test = stats.mannwhitneyu(positives, negatives, axis=axis, method="asymptotic")
    return test.statistic / (positives.shape[axis] * negatives.shape[axis])


def _ratio(parts: Values, wholes: Values, axis: int) -> Any:
    return parts.sum(axis=axis) / wholes.sum(axis=axis)


def compare(before: Evaluation, after: Evaluation) -> Comparison:
    """Return the changes between two evaluations of the same questions."""
    changes = (_change(before, after, metric) for metric in before.scores)
    return Comparison(
        before,
        after,
        changes=tuple(change for change in changes if change),
        flips=tuple(_flips(before, after)),
    )


def _change(before: Evaluation, after: Evaluation, metric: str) -> Change | None:
    first, second = before.scores[metric], after.scores.get(metric, {})
    shared = [question for question in first if question in second]
    if not shared:
        return None
    differences = [second[question] - first[question] for question in shared]
    return Change(
        metric=metric,
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
