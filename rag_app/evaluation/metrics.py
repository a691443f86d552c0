"""Metrics of outcomes; ir_measures (trec_eval) computes those of rankings.

Metrics that a data set does not allow are left out: there is no recall without relevant documents,
and no abstention without unanswerable questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ingest import detect_language
from rag_app.attribution.quotes import MARKER
from rag_app.evaluation.squad import contains, token_f1
from rag_app.evaluation.statistics import auroc, mean, ratio
from rag_app.evaluation.types import Estimate, Outcome

RANKS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)  # about even on a log scale

Scores = Mapping[str, Mapping[str, float]]


def question_scores(outcomes: Sequence[Outcome]) -> Scores:
    """Return the value of each metric by question id, for the questions that it applies to."""
    judged = [outcome for outcome in outcomes if outcome.question.relevant]
    scores = {name: values for name, values in _ranking_scores(judged).items() if values}
    for name, (applies, score) in _ANSWER_METRICS.items():
        values = {one.question.id: score(one) for one in outcomes if applies(one)}
        if values:
            scores[name] = values
    return scores


def aggregate(outcomes: Sequence[Outcome], scores: Scores) -> dict[str, Estimate]:
    """Return every metric that the data set allows, by name, with its interval."""
    means = {name: mean(list(values.values())) for name, values in scores.items()}
    return means | dict(_abstention(outcomes)) | dict(_citations(outcomes))


def recall_curve(outcomes: Sequence[Outcome]) -> dict[int, float]:
    """Return the mean recall at each of ``RANKS``; empty without relevant documents."""
    judged = [outcome for outcome in outcomes if outcome.question.relevant]
    if not judged:
        return {}
    import ir_measures

    metrics = {ir_measures.R @ rank: rank for rank in RANKS}
    means = ir_measures.calc_aggregate(list(metrics), _qrels(judged), _run(judged))
    return {rank: float(means[metric]) for metric, rank in metrics.items()}


def latency_ms(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return median and 95th percentile of the total time of a question, in milliseconds."""
    seconds = [outcome.answer.timings["total"] for outcome in outcomes]
    p50, p95 = np.percentile(seconds, (50, 95)) * 1000
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}


def _ranking_scores(judged: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    import ir_measures
    from ir_measures import RR, R, Success, nDCG

    names = {
        nDCG @ 10: "ndcg@10",
        R @ 10: "recall@10",
        RR @ 10: "mrr@10",
        Success @ 1: "hit@1",
        Success @ 5: "hit@5",
    }
    scores: dict[str, dict[str, float]] = {name: {} for name in names.values()}
    if judged:
        for found in ir_measures.iter_calc(list(names), _qrels(judged), _run(judged)):
            question = judged[int(found.query_id)].question
            scores[names[found.measure]][question.id] = float(found.value)
    return scores


def _qrels(judged: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    return {
        str(number): {names[unit]: grade for unit, grade in outcome.question.relevant.items()}
        for number, (outcome, names) in enumerate(zip(judged, _names(judged), strict=True))
    }


def _run(judged: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Return distinct scores in the order of the ranking: trec_eval sorts ties by name."""
    return {
        str(number): {names[unit]: -float(at) for at, unit in enumerate(outcome.ranking)}
        for number, (outcome, names) in enumerate(zip(judged, _names(judged), strict=True))
    }


def _names(judged: Sequence[Outcome]) -> Iterator[dict[str, str]]:
    """Yield a number for each unit of each outcome: trec_eval crashes on odd file names."""
    for outcome in judged:
        units = dict.fromkeys([*outcome.question.relevant, *outcome.ranking])
        yield {unit: str(number) for number, unit in enumerate(units)}


def _has_answers(outcome: Outcome) -> bool:
    return bool(outcome.question.answers)


def _has_verbatim_answers(outcome: Outcome) -> bool:
    return bool(outcome.question.answers) and outcome.question.verbatim


def _is_unanswerable(outcome: Outcome) -> bool:
    return outcome.question.answerable is False


def _abstained(outcome: Outcome) -> float:
    return float(outcome.answer.abstained)


def _in_context(outcome: Outcome) -> float:
    return float(any(_holds_answer(chunk.text, outcome) for chunk in outcome.chunks))


def _in_answer(outcome: Outcome) -> float:
    return float(not outcome.answer.abstained and _holds_answer(_bare_answer(outcome), outcome))


def _f1(outcome: Outcome) -> float:
    if outcome.answer.abstained:
        return 0.0
    language = detect_language(outcome.question.text)
    text = _bare_answer(outcome)
    return max(token_f1(text, answer, language) for answer in outcome.question.answers)


def _holds_answer(text: str, outcome: Outcome) -> bool:
    language = detect_language(outcome.question.text)
    return any(contains(text, answer, language) for answer in outcome.question.answers)


def _bare_answer(outcome: Outcome) -> str:
    return MARKER.sub("", outcome.answer.text)


_Applies = Callable[[Outcome], bool]
_Score = Callable[[Outcome], float]
_ANSWER_METRICS: Mapping[str, tuple[_Applies, _Score]] = {
    "answer_in_context": (_has_verbatim_answers, _in_context),
    "answer_in_answer": (_has_verbatim_answers, _in_answer),
    "f1": (_has_answers, _f1),
    "abstention_recall": (_is_unanswerable, _abstained),
}


def _abstention(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, Estimate]]:
    """Yield how well abstentions and confidences match the unanswerable questions."""
    known = [outcome for outcome in outcomes if outcome.question.answerable is not None]
    answerable = [outcome for outcome in known if outcome.question.answerable]
    unanswerable = [outcome for outcome in known if not outcome.question.answerable]
    if not unanswerable:
        return
    positives, negatives = _confidences(answerable), _confidences(unanswerable)
    if positives and negatives:
        yield "abstention_auroc", auroc(positives, negatives)
    if abstained := [outcome for outcome in known if outcome.answer.abstained]:
        right = [float(not outcome.question.answerable) for outcome in abstained]
        yield "abstention_precision", mean(right)


def _confidences(outcomes: Sequence[Outcome]) -> list[float]:
    return [outcome.confidence for outcome in outcomes if outcome.confidence is not None]


def _citations(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, Estimate]]:
    """Yield the share of verified citations among all citations."""
    cited = [outcome.answer.citations for outcome in outcomes if outcome.answer.citations]
    if cited:
        verified = [sum(citation.verified for citation in citations) for citations in cited]
        yield "citation_precision", ratio(verified, [len(citations) for citations in cited])
