"""An evaluation as a table and as JSON."""

from __future__ import annotations

from rag_app.cli.output import printable
from rag_app.evaluation import Comparison, Evaluation
from rag_app.evaluation.types import METRICS

_SHOWN_FLIPS = 10  # chosen by hand


def evaluation_record(evaluation: Evaluation) -> dict[str, object]:
    """Return the stable JSON shape of an evaluation."""

    def value(name: str) -> float | None:
        metric = evaluation.metrics.get(name)
        return round(metric.value, 4) if metric else None

    ranking = "ndcg@10 recall@10 mrr@10 hit@1 hit@5".split()
    answers = "answer_in_context answer_in_answer f1".split()
    return {
        "dataset": evaluation.dataset,
        "questions": len(evaluation.outcomes),
        **{name: value(name) for name in ranking + answers},
        "abstention": {
            name: value(f"abstention_{name}") for name in ("auroc", "precision", "recall")
        },
        "citation_precision": value("citation_precision"),
        "latency_ms": dict(evaluation.latency_ms),
    }


def comparison_record(comparison: Comparison) -> dict[str, object]:
    """Return the stable JSON shape of a comparison."""
    return {
        "before": evaluation_record(comparison.before),
        "after": evaluation_record(comparison.after),
        "changes": {
            change.metric: {
                "difference": round(change.difference.value, 4),
                "low": change.difference.low,
                "high": change.difference.high,
                "p": change.p,
                "wins": change.wins,
                "losses": change.losses,
                "ties": change.ties,
            }
            for change in comparison.changes
        },
        "flips": [
            {
                "question": flip.question.text,
                "gained": flip.gained,
                "before": flip.before.text,
                "after": flip.after.text,
            }
            for flip in comparison.flips
        ],
    }


def print_evaluation(evaluation: Evaluation) -> None:
    """Print one line per metric: its value, interval and number of questions."""
    _print_heading(evaluation)
    print(f"{'':20}  value  95% interval     questions")
    for key, metric in METRICS.items():
        if found := evaluation.metrics.get(key):
            interval = _interval(found.low, found.high)
            print(f"{metric.name:20}  {found.value:.3f}  {interval:15}  {found.count:9}")
    _print_latency(evaluation)


def print_comparison(comparison: Comparison) -> None:
    """Print one line per metric with its change and p-value, then the flips."""
    for name, evaluation in (("before", comparison.before), ("after", comparison.after)):
        print(f"{name}: ", end="")
        _print_heading(evaluation)
        _print_latency(evaluation)
    print(f"{'':20}  before  after   change  95% interval          p  wins  losses  ties")
    for change in comparison.changes:
        moved = change.difference
        print(
            f"{METRICS[change.metric].name:20}  {change.before:6.3f}  {change.after:5.3f}  "
            f"{moved.value:+7.3f}  {_interval(moved.low, moved.high, '+'):17}  {change.p:.3f}  "
            f"{change.wins:4}  {change.losses:6}  {change.ties:4}"
        )
    _print_flips(comparison)


def _print_flips(comparison: Comparison) -> None:
    for gained, word in ((False, "lost"), (True, "gained")):
        flips = [flip for flip in comparison.flips if flip.gained is gained]
        if flips:
            print(f"\n{word}: {len(flips)}")
        for flip in flips[:_SHOWN_FLIPS]:
            print(f"  {printable(' '.join(flip.question.text.split()))}")
        if len(flips) > _SHOWN_FLIPS:
            print(f"  and {len(flips) - _SHOWN_FLIPS} more; --json or --report shows them all")


def _print_heading(evaluation: Evaluation) -> None:
    count = len(evaluation.outcomes)
    print(printable(f"{evaluation.dataset}, {count} questions, {evaluation.configuration}"))


def _print_latency(evaluation: Evaluation) -> None:
    latency = evaluation.latency_ms
    print(f"{'latency':20}  {latency['p50']:.0f} ms, 95% within {latency['p95']:.0f} ms")


def _interval(low: float | None, high: float | None, sign: str = "") -> str:
    return "" if low is None or high is None else f"{low:{sign}.3f} - {high:{sign}.3f}"
