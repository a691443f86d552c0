"""How sure a figure is, and whether two configurations really differ.

Everything random is seeded: the same values give the same interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag_app.evaluation.types import Estimate

_SEED = 20250101
_RESAMPLES = 2000
_PERMUTATIONS = 10_000
_BATCH = 200  # resamples at a time: all at once would take gigabytes

Values = NDArray[np.float64]


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean of one value or more, with its interval."""
    return _estimate(np.mean, values)


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> Estimate:
    """Return the chance that a positive has the higher value, with its interval.

    That is the area under the ROC curve (Hanley and McNeil, 1982); ties count half.
    """
    return _estimate(_share_higher, positives, negatives)


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Return the sum of ``parts`` by the sum of ``wholes``, drawn together, with its interval."""
    return _estimate(_ratio, parts, wholes, paired=True)


def permutation_p(differences: Sequence[float]) -> float:
    """Return the chance of a mean so far from 0 if each difference had either sign alike."""
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
        # Samples of equal values are all the same, which says nothing of how sure the value is.
        return Estimate(value, None, None, count)
    return Estimate(value, float(interval.low), float(interval.high), count)


def _share_higher(positives: Values, negatives: Values, axis: int) -> Any:
    from scipy import stats

    test = stats.mannwhitneyu(positives, negatives, axis=axis, method="asymptotic")
    return test.statistic / (positives.shape[axis] * negatives.shape[axis])


def _ratio(parts: Values, wholes: Values, axis: int) -> Any:
    return parts.sum(axis=axis) / wholes.sum(axis=axis)
