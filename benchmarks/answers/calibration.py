"""Fit the confidence of the extractive reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.answers.cases import Case, Cases
from rag_app.llms.confidence import Calibration, Signals

SCORED = tuple(field.name for field in fields(Signals))
UNSCORED = ("chunk", "sentence", "peak")
# Answers of this share of the answerable questions may be lost.
LOST = 0.09
# A chat model is asked all but so many of them.
_NEVER = 0.01
# All questions of XQuAD count half as much as all answerable ones of ClapNQ.
_XQUAD = 0.5
_DIGITS = 3


def fit(cases: Mapping[str, Cases]) -> dict[str, dict[str, Calibration]]:
    """Return the calibrations of each language, fitted on the even questions.

    English learns from ClapNQ, whose unanswerable questions are on the topic of the texts, and from
    XQuAD's questions; Portuguese from FaQuAD with and without the text that answers.
    """
    english, xquad = cases["clapnq"].asked[::2], cases["xquad-en"].asked[::2]
    answerable = sum(case.answerable for case in english)
    weights = [1.0] * len(english) + [_XQUAD * answerable / len(xquad)] * len(xquad)
    portuguese = (*cases["faquad"].asked[::2], *cases["faquad"].without[::2])
    return {
        "en": _fit([*english, *xquad], weights, english),
        "pt": _fit(portuguese, [1.0] * len(portuguese), portuguese),
    }


def write(calibrations: Mapping[str, Mapping[str, Calibration]], file: Path) -> None:
    """Write the table that the package reads."""
    table = {
        "version": 1,
        "fitted by": "python -m benchmarks.answers --fit",
        "languages": {
            language: {kind: asdict(one) for kind, one in kinds.items()}
            for language, kinds in calibrations.items()
        },
    }
    file.write_text(json.dumps(table, indent=2) + "\n", "utf-8")


def _fit(
    cases: Sequence[Case], weights: Sequence[float], threshold_from: Sequence[Case]
) -> dict[str, Calibration]:
    right = [case.answerable for case in cases]
    kept = [case for case in threshold_from if case.answerable]
    return {
        "scored": _regression(
            SCORED, [case.signals for case in cases], right, weights, [one.signals for one in kept]
        ),
        "unscored": _regression(
            UNSCORED,
            [case.unscored for case in cases],
            right,
            weights,
            [one.unscored for one in kept],
        ),
    }


def _regression(
    names: Sequence[str],
    signals: Sequence[Signals],
    right: Sequence[bool],
    weights: Sequence[float],
    kept: Sequence[Signals],
) -> Calibration:
    values = np.array([[getattr(one, name) for name in names] for one in signals], np.float64)
    center, scale = values.mean(axis=0), values.std(axis=0)
    model = LogisticRegression(C=0.3).fit((values - center) / scale, right, weights)
    slopes = model.coef_[0] / scale
    calibration = Calibration(
        {name: round(float(slope), _DIGITS) for name, slope in zip(names, slopes, strict=True)},
        round(float(model.intercept_[0] - slopes @ center), _DIGITS),
        threshold=0.0,
        floor=0.0,
    )
    lost = np.quantile([calibration.probability(one) for one in kept], (LOST, _NEVER))
    threshold, floor = (round(float(one), _DIGITS) for one in lost)
    return replace(calibration, threshold=threshold, floor=floor)
