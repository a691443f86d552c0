"""Plots of an evaluation as SVG in the colours of the surrounding page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_app.evaluation.types import METRICS, Evaluation, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholder colours, replaced by CSS variables, which matplotlib does not take.
_INK, _GRID = "#010101", "#020202"
_SERIES = ("#030303", "#040404")
_VARIABLES = {_INK: "--ink", _GRID: "--line", _SERIES[0]: "--first", _SERIES[1]: "--second"}
_REFERENCES = re.compile(r'(\bid="|url\(#|href="#)')
# Chosen by eye.
_BINS = 16
_BAR = 0.36

Plot = tuple[str, str]


def draw_plots(evaluations: Sequence[Evaluation]) -> list[Plot]:
    """Return the title and the SVG of each plot that the evaluations have data for."""
    drawings = [
        ("metrics", "Metrics with 95% intervals", any(one.metrics for one in evaluations), _bars),
        ("recall", "Recall by rank", any(one.recall for one in evaluations), _recall),
        ("confidence", _histogram_title(evaluations), True, _histogram),
    ]
    return [
        (title, _svg(name, title, draw, evaluations))
        for name, title, has_data, draw in drawings
        if has_data
    ]


def _svg(
    name: str,
    title: str,
    draw: Callable[[Axes, Sequence[Evaluation]], None],
    evaluations: Sequence[Evaluation],
) -> str:
    with _style(name) as new_figure:
        figure = new_figure(figsize=(6.4, 4.0), layout="constrained")
        draw(figure.subplots(), evaluations)
        written = io.StringIO()
        figure.savefig(
            written, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    svg = written.getvalue()
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    # All plots are in one page, so ids are made unique.
    svg = _REFERENCES.sub(rf"\g<1>{name}-", svg[svg.index("<svg") :])
    opening = f'<svg role="img" aria-labelledby="{name}-title"'
    title_element = f'<title id="{name}-title">{title}</title>'
    head, _, rest = svg.replace("<svg", opening, 1).partition(">")
    return f"{head}>{title_element}{rest}"


@contextmanager
def _style(name: str) -> Iterator[Callable[..., Figure]]:
    import matplotlib
    from matplotlib.figure import Figure

    look: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "axes.edgecolor": _GRID,
        "axes.labelcolor": _INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": _GRID,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
    with matplotlib.rc_context(look):
        yield Figure


def _bars(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    metrics = [name for name in METRICS if any(name in one.metrics for one in evaluations)]
    width = _BAR if len(evaluations) > 1 else 2 * _BAR
    for number, evaluation in enumerate(evaluations):
        shift = width * (number - (len(evaluations) - 1) / 2)
        for row, name in enumerate(metrics):
            if metric := evaluation.metrics.get(name):
                axes.barh(row + shift, metric.value, width * 0.9, color=_SERIES[number])
                if metric.low is not None and metric.high is not None:
                    axes.plot([metric.low, metric.high], [row + shift] * 2, color=_INK, lw=1.2)
    axes.set_yticks(range(len(metrics)), [METRICS[name].name for name in metrics])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.001)
    axes.grid(visible=False, axis="y")
    _legend(axes, evaluations)


def _recall(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    for number, evaluation in enumerate(evaluations):
        ranks, values = list(evaluation.recall), list(evaluation.recall.values())
        # The second line is dashed, so that it does not hide the first.
        line = ("-", (0, (4, 3)))[number]
        axes.plot(ranks, values, color=_SERIES[number], lw=2, ls=line, marker="o", ms=4)
    axes.set_xscale("log")
    ticks = [1, 2, 3, 5, 10, 20, 50]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    lowest = min(value for one in evaluations for value in one.recall.values())
    axes.set_ylim(max(0.0, lowest - 0.1), 1.01)
    axes.set_xlabel("rank k")
    axes.set_ylabel("recall@k")
    _legend(axes, evaluations)


def _histogram_title(evaluations: Sequence[Evaluation]) -> str:
    known = _has_confidence(evaluations[-1])
    title = "Confidence of the answers" if known else "Score of the best chunk"
    return f"{title}, after" if len(evaluations) > 1 else title


def _histogram(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    """Draw the last configuration: of two, the one after the change."""
    from matplotlib.ticker import MaxNLocator

    evaluation = evaluations[-1]
    score = _confidence if _has_confidence(evaluation) else _best_score
    groups = {
        name: [one for one in evaluation.outcomes if one.question.answerable is answerable]
        for name, answerable in (("unanswerable", False), ("answerable", True), ("not known", None))
    }
    drawn = {name: [score(one) for one in group] for name, group in groups.items() if group}
    edges = np.histogram_bin_edges([value for group in drawn.values() for value in group], _BINS)
    axes.hist(
        list(drawn.values()),
        list(edges),
        color=[_SERIES[name == "unanswerable"] for name in drawn],
        label=[f"{name} ({len(values)})" for name, values in drawn.items()],
    )
    if score is _confidence:
        axes.axvline(0, color=_INK, lw=1, ls="--")
        axes.set_xlabel("confidence; below 0 the app abstains")
    else:
        axes.set_xlabel("score of the best chunk")
    axes.set_ylabel("questions")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")


def _has_confidence(evaluation: Evaluation) -> bool:
    return all(outcome.confidence is not None for outcome in evaluation.outcomes)


def _confidence(outcome: Outcome) -> float:
    return outcome.confidence or 0.0


def _best_score(outcome: Outcome) -> float:
    return max((chunk.score for chunk in outcome.chunks), default=0.0)


def _legend(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    from matplotlib.patches import Patch

    if len(evaluations) > 1:
        names = ("before", "after")
        patches = [
            Patch(color=colour, label=name) for colour, name in zip(_SERIES, names, strict=True)
        ]
        axes.figure.legend(handles=patches, loc="outside upper center", ncols=2)
