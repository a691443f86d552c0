"""Fit the weights of the extractive reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression

from benchmarks.answers.cases import Case, Cases, holds_answer
from ingest import Language
from rag_app.llms.confidence import AnswerWeights, Calibration
from rag_app.llms.selection import Reading
from rag_app.llms.sentences import Features

SENTENCE = tuple(field.name for field in fields(Features))
UNSCORED = ("text", "match", "weakest", "terms")
# Scores help where the embedding model, which is English, says less.
SCORED: dict[Language, tuple[str, ...]] = {"en": UNSCORED, "pt": (*UNSCORED, "score", "lead")}
# Answers of this share of the answerable questions may be lost.
LOST = 0.09
# A chat model is asked all but so many of them.
_NEVER = 0.01
# All questions of XQuAD count as much as all answerable ones of ClapNQ.
_XQUAD = 1.0
_RIDGE = 2e-3
_DIGITS = 3

Array = NDArray[np.float64]


def fit_sentences(cases: Sequence[Case]) -> dict[str, float]:
    """Return the weights under which sentences that hold the answer are the most probable.

    The probability is the softmax of the scores of a question's sentences; questions of which no
    sentence holds the answer teach nothing.
    """
    lists = [(_features(case), _right(case)) for case in cases]
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

    best = minimize(loss, np.zeros(len(SENTENCE)), jac=True, method="L-BFGS-B").x
    return _named(SENTENCE, best / scale)


def fit_answers(cases: Mapping[str, Cases], sentence: Mapping[str, float]) -> Calibration:
    """Return the whole calibration.

    English learns from ClapNQ, whose unanswerable questions are on the topic of the texts, and from
    XQuAD's questions; Portuguese from FaQuAD with and without the text that answers.
    """
    english, xquad = cases["clapnq"].asked, cases["xquad-en"].asked
    answerable = sum(case.answerable for case in english)
    weights = [1.0] * len(english) + [_XQUAD * answerable / len(xquad)] * len(xquad)
    portuguese = (*cases["faquad"].asked, *cases["faquad"].without)
    fitted: dict[Language, tuple[AnswerWeights, AnswerWeights]] = {
        "en": _both(SCORED["en"], (*english, *xquad), weights, english),
        "pt": _both(SCORED["pt"], portuguese, [1.0] * len(portuguese), portuguese),
    }
    scored, unscored = ({name: pair[at] for name, pair in fitted.items()} for at in (0, 1))
    return Calibration(sentence, scored, unscored)


def write(calibration: Calibration, file: Path) -> None:
    """Write the table that the package reads."""
    about = {"version": 2, "fitted by": "python -m benchmarks.answers --fit"}
    file.write_text(json.dumps(about | asdict(calibration), indent=2) + "\n", "utf-8")


def _features(case: Case) -> Array:
    return np.array([astuple(one.candidate.features) for one in case.reading.sentences])


def _right(case: Case) -> NDArray[np.bool_]:
    return np.array([holds_answer(one.candidate.text, case) for one in case.reading.sentences])


def _both(
    scored: Sequence[str],
    cases: Sequence[Case],
    weights: Sequence[float],
    threshold_from: Sequence[Case],
) -> tuple[AnswerWeights, AnswerWeights]:
    """Return the weights for chunks with scores and without."""
    return (
        _regression(scored, lambda case: case.reading, cases, weights, threshold_from),
        _regression(UNSCORED, lambda case: case.unscored, cases, weights, threshold_from),
    )


def _regression(
    names: Sequence[str],
    reading_of: Callable[[Case], Reading],
    cases: Sequence[Case],
    weights: Sequence[float],
    threshold_from: Sequence[Case],
) -> AnswerWeights:
    signals = [reading_of(case).signals for case in cases]
    values = np.array([[getattr(one, name) for name in names] for one in signals], np.float64)
    center, scale = values.mean(axis=0), values.std(axis=0)
    right = [case.answerable for case in cases]
    model = LogisticRegression(C=0.3).fit((values - center) / scale, right, weights)
    slopes = model.coef_[0] / scale
    bias = round(float(model.intercept_[0] - slopes @ center), _DIGITS)
    fitted = AnswerWeights(_named(names, slopes), bias, threshold=0.0, floor=0.0)
    kept = [reading_of(case).signals for case in threshold_from if case.answerable]
    lost = np.quantile([fitted.probability(one) for one in kept], (LOST, _NEVER))
    threshold, floor = (round(float(one), _DIGITS) for one in lost)
    return replace(fitted, threshold=threshold, floor=floor)


def _named(names: Sequence[str], values: Array) -> dict[str, float]:
    return {name: round(float(value), _DIGITS) for name, value in zip(names, values, strict=True)}
