"""Fit the weights of the extractive reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression

from benchmarks.answers.cases import Case, Cases
from rag_app.extractive.answerability import Calibration, Signals
from rag_app.extractive.sentence_features import Features

SENTENCE = tuple(field.name for field in fields(Features))
SIGNALS = tuple(field.name for field in fields(Signals))
# Answers of this share of the answerable questions may be lost.
LOST = 0.06
# How much a set counts: more where people asked what has no answer, less where headings stand in
# for questions.
_COUNTS = {"clapnq": 2.0, "fastapi-pt-en": 0.25, "fastapi-en-pt": 0.25}
# A chat model is asked all but so many of them.
_NEVER = 0.01
# The signals that can be unknown.
_UNKNOWN = ("terms", "dense_lead", "lexical_lead")
_RIDGE = 2e-3
_DIGITS = 3

Array = NDArray[np.float64]


def fit_sentences(cases: Sequence[Case], features: Sequence[str] = SENTENCE) -> dict[str, float]:
    """Return the weights under which sentences that hold the answer are the most probable.

    The probability is the softmax of the scores of a question's sentences; questions of which no
    sentence holds the answer teach nothing.
    """
    columns = [SENTENCE.index(name) for name in features]
    lists = [(_features(case)[:, columns], _right(case)) for case in cases]
    known = [(values, right) for values, right in lists if right.any()]
    every = np.concatenate([values for values, _ in known])
    center, scale = every.mean(axis=0), every.std(axis=0) + 1e-9
    scaled = [((values - center) / scale, right) for values, right in known]

    def loss(weights: Array) -> tuple[float, Array]:
        value, slope = _RIDGE * float(weights @ weights), 2 * _RIDGE * weights
        for values, right in scaled:
            scores = values @ weights
            value += float(logsumexp(scores) - logsumexp(scores[right])) / len(scaled)
            push = softmax(scores) @ values - softmax(scores[right]) @ values[right]
            slope = slope + push / len(scaled)
        return value, slope

    best = minimize(loss, np.zeros(len(features)), jac=True, method="L-BFGS-B").x
    return _named(features, best / scale)


def fit_answers(
    sets: Sequence[Cases], sentence: Mapping[str, float], names: Sequence[str] = SIGNALS
) -> Calibration:
    """Return the whole calibration, learned from all sets.

    Questions without an answer are those of the set, and its own questions among the chunks that
    don't answer them. Answerable or not, each side counts half of its set.
    """
    signals, right, weights = [], [], []
    for cases in sets:
        every = cases.every
        answerable = np.array([case.answerable for case in every])
        share = np.where(answerable, answerable.mean(), 1 - answerable.mean())
        signals += [astuple(case.reading.signals) for case in every]
        right += answerable.tolist()
        weights += (_COUNTS.get(cases.name, 1.0) / share / len(every)).tolist()
    values, each = np.array(signals, np.float64), np.array(weights)
    center, scale = values.mean(axis=0), values.std(axis=0)
    columns = [SIGNALS.index(name) for name in names]
    model = LogisticRegression(C=0.3).fit(
        ((values - center) / scale)[:, columns], right, each * len(each) / each.sum()
    )
    slopes = model.coef_[0] / scale[columns]
    fitted = Calibration(
        sentence,
        _named(names, slopes),
        bias=round(float(model.intercept_[0] - slopes @ center[columns]), _DIGITS),
        usual={name: round(float(center[SIGNALS.index(name)]), _DIGITS) for name in _UNKNOWN},
        threshold=0.0,
        floor=0.0,
    )
    lost = np.mean([_quantiles(fitted, cases) for cases in sets], axis=0).tolist()
    threshold, floor = (round(value, _DIGITS) for value in lost)
    return replace(fitted, threshold=threshold, floor=floor)


def _quantiles(fitted: Calibration, cases: Cases) -> list[float]:
    """Return the probabilities below which the shares of answerable questions lie."""
    kept = [fitted.probability(one.reading.signals) for one in cases.asked if one.answerable]
    quantiles: list[float] = np.quantile(kept, (LOST, _NEVER)).tolist()
    return quantiles


def write(calibration: Calibration, file: Path) -> None:
    """Write the table that the package reads."""
    table = {
        "version": 3,
        "fitted by": "python -m benchmarks.answers --fit",
        "calibration": asdict(calibration),
    }
    file.write_text(json.dumps(table, indent=2) + "\n", "utf-8")


def _features(case: Case) -> Array:
    return np.array([astuple(one.candidate.features) for one in case.reading.sentences])


def _right(case: Case) -> NDArray[np.bool_]:
    return np.array([case.holds_answer(one.candidate.text) for one in case.reading.sentences])


def _named(names: Sequence[str], values: Array) -> dict[str, float]:
    return {name: round(float(value), _DIGITS) for name, value in zip(names, values, strict=True)}
