"""The model card of a tuned model, and the verdict on it."""

from __future__ import annotations

from rag_app.tuning.types import TuningReport

_HEADER = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---
"""


def verdict(report: TuningReport) -> str:
    """Return one sentence on whether to use the model."""
    ndcg = report.gains[0]
    interval = f"{ndcg.low:+.3f} to {ndcg.high:+.3f}"
    if report.recommended:
        return f"recommended: {ndcg.metric} is higher, by {interval}, with 95% confidence"
    if report.epochs == 0:
        return "not recommended: no epoch was better than the base model, so this is the base model"
    if ndcg.high < 0:
        return f"not recommended: {ndcg.metric} is lower, by {interval}, with 95% confidence"
    return f"not recommended: the 95% interval of {ndcg.metric}, {interval}, includes 0"


def model_card(report: TuningReport) -> str:
    """Return the README.md of the folder; it does not quote documents or questions."""
    rows = [
        f"| {one.metric} | {one.before:.3f} | {one.after:.3f} | {one.difference:+.3f} "
        f"({one.low:+.3f} to {one.high:+.3f}) |"
        for one in report.gains
    ]
    table = "\n".join(
        ["| | before | after | difference (95% interval) |", "|---|---|---|---|", *rows]
    )
    return (
        f"{_HEADER}# {report.folder.name}\n\n"
        f"**{verdict(report).capitalize()}.**\n\n"
        f"Made by `rag tune` from {report.base} ({report.variant}): {report.train} training "
        f"questions, {report.validation} for early stopping. The metrics are of "
        f"{report.held_out} held-out questions on other {report.split_by}s, each searched in the "
        f"whole index.\n\n{table}\n"
    )
