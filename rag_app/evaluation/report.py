"""An evaluation as one self-contained HTML page.

Questions, answers and documents are untrusted, so every text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from ingest import UsageError
from rag_app.evaluation.plots import draw_plots
from rag_app.evaluation.requirements import check_requirements
from rag_app.evaluation.types import METRICS, Comparison, Estimate, Evaluation, Flip, Outcome
from rag_app.types import ScoredChunk

PAGE = "index.html"
_CSS = Path(__file__).with_name("report.css")
# Chosen by hand: questions in the list of the worst, and characters of a text.
_WORST = 20
_MAX_TEXT = 500
# Nothing is loaded and no script runs, even if an escape is missing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(folder: Path, result: Evaluation | Comparison) -> Path:
    """Write the page to the folder and return its path.

    Raises:
        UsageError: The folder can't be written.
        MissingExtraError: matplotlib is not installed.
    """
    check_requirements(report=True)
    page = folder / PAGE
    text = "".join(_page(result))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{page} can't be written: {error.strerror}") from None
    return page


def _page(result: Evaluation | Comparison) -> Iterator[str]:
    evaluations = (result,) if isinstance(result, Evaluation) else (result.before, result.after)
    name = escape(evaluations[0].dataset)
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{name}: evaluation</title><style>{_CSS.read_text('utf-8')}</style></head><body>"
    yield f"<h1>{name}</h1>"
    yield from _configurations(evaluations)
    yield from _changes(result) if isinstance(result, Comparison) else _metrics(result)
    yield "<h2>Plots</h2><div class=plots>"
    for title, svg in draw_plots(evaluations):
        yield f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
    yield "</div>"
    if isinstance(result, Comparison):
        yield from _flips(result.flips)
    yield from _worst(evaluations[-1])
    yield "</body></html>\n"


def _configurations(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    for evaluation, name in zip(evaluations, ("before", "after"), strict=False):
        latency = evaluation.latency_ms
        times = f"{latency['p50']:.0f} ms a question, 95% within {latency['p95']:.0f} ms"
        label = f'<span class="key {name}">{name}</span>: ' if len(evaluations) > 1 else ""
        count = len(evaluation.outcomes)
        yield f"<p>{label}{escape(evaluation.configuration)}</p>"
        yield f"<p class=soft>{count} questions, {times}</p>"


def _metrics(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Metrics</h2><div class=scroll><table><thead><tr><th>metric<th>value"
    yield "<th>95% interval<th>questions<th class=meaning></tr></thead><tbody>"
    for key, metric in METRICS.items():
        if found := evaluation.metrics.get(key):
            yield f"<tr><th scope=row>{metric.name}</th><td>{found.value:.3f}</td>"
            yield f"<td>{_interval(found)}</td><td>{found.count}</td>"
            yield f"<td class=meaning>{metric.meaning}</td></tr>"
    yield "</tbody></table></div>"


def _changes(comparison: Comparison) -> Iterator[str]:
    yield "<h2>Metrics</h2><div class=scroll><table><thead><tr><th>metric<th>before<th>after"
    yield "<th>difference<th>95% interval<th>p<th>wins<th>losses<th>ties</tr></thead><tbody>"
    for change in comparison.changes:
        yield f"<tr><th scope=row>{METRICS[change.metric].name}</th>"
        yield f"<td>{change.before:.3f}</td><td>{change.after:.3f}</td>"
        yield f"<td>{change.difference.value:+.3f}</td><td>{_interval(change.difference, '+')}</td>"
        yield f"<td>{change.p:.3f}</td><td>{change.wins}</td><td>{change.losses}</td>"
        yield f"<td>{change.ties}</td></tr>"
    yield "</tbody></table></div>"


def _interval(estimate: Estimate, sign: str = "") -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:{sign}.3f} to {estimate.high:{sign}.3f}"


def _flips(flips: Sequence[Flip]) -> Iterator[str]:
    yield f"<h2>Changed outcomes ({len(flips)})</h2>"
    for flip in sorted(flips, key=lambda flip: flip.gained):
        word = "<span class=good>gained</span>" if flip.gained else "<span class=bad>lost</span>"
        yield f"<details><summary>{word} {_short(flip.question.text)}</summary><div><dl>"
        yield f"<dt>accepted</dt><dd>{_accepted(flip.question.answers)}</dd>"
        yield f"<dt>before</dt><dd>{_short(flip.before.text)}</dd>"
        yield f"<dt>after</dt><dd>{_short(flip.after.text)}</dd></dl></div></details>"


def _worst(evaluation: Evaluation) -> Iterator[str]:
    wrong = [outcome for outcome in evaluation.outcomes if evaluation.right(outcome) is False]
    yield f"<h2>Wrong answers ({len(wrong)})</h2>"
    if len(wrong) > _WORST:
        yield f"<p class=soft>the {_WORST} worst</p>"
    for outcome in sorted(wrong, key=lambda one: _quality(evaluation, one))[:_WORST]:
        yield from _outcome(outcome)


def _quality(evaluation: Evaluation, outcome: Outcome) -> tuple[float, ...]:
    metrics = ("ndcg@10", "answer_in_context", "f1")
    return tuple(evaluation.scores.get(name, {}).get(outcome.question.id, 0.0) for name in metrics)


def _outcome(outcome: Outcome) -> Iterator[str]:
    question = outcome.question
    yield f"<details><summary>{_short(question.text)}</summary><div><dl>"
    yield f"<dt>accepted</dt><dd>{_accepted(question.answers)}</dd>"
    if question.relevant:
        places = ", ".join(source.partition("#")[0] for source in question.relevant)
        yield f"<dt>relevant</dt><dd>{_short(places)}</dd>"
    yield f"<dt>answer</dt><dd>{_short(outcome.answer.text)}</dd>"
    yield f"<dt>retrieved at</dt><dd>{_first_relevant(outcome)}</dd>" if question.relevant else ""
    if outcome.confidence is not None:
        yield f"<dt>confidence</dt><dd>{outcome.confidence:+.3f}</dd>"
    yield "</dl><ol>"
    for chunk in outcome.chunks:
        yield f"<li>{_place(chunk)}<blockquote>{_short(chunk.text)}</blockquote></li>"
    yield "</ol></div></details>"


def _first_relevant(outcome: Outcome) -> str:
    relevant = outcome.question.relevant
    first = next((at for at, unit in enumerate(outcome.ranking, 1) if unit in relevant), None)
    return f"rank {first}" if first else "not found"


def _place(chunk: ScoredChunk) -> str:
    place = ", ".join(filter(None, (chunk.source, chunk.location_at(chunk.start))))
    return f"{escape(place)} <span class=soft>(score {chunk.score:.3f})</span>"


def _accepted(answers: Sequence[str]) -> str:
    return _short(" · ".join(answers)) if answers else "<span class=soft>none known</span>"


def _short(text: str) -> str:
    kept = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
    return escape(kept.replace("\x00", "\ufffd"))
