"""What a reader of the saved folder should know before using it."""

from __future__ import annotations

from rag_app.tuning.types import TuningReport

_HEADER = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---
"""


def verdict(report: TuningReport) -> str:
    """Return in a sentence whether the model should be used."""
    ndcg = report.gains[0]
    interval = f"{ndcg.low:+.3f} to {ndcg.high:+.3f}"
    if report.recommended:
        return f"recommended: {ndcg.measure} is higher, by {interval}, with 95% confidence"
    if report.epochs == 0:
        return "not recommended: no epoch was better than the base model, which this still is"
    if ndcg.high < 0:
        return f"not recommended: {ndcg.measure} is lower, by {interval}, with 95% confidence"
    return f"not recommended: the 95% interval of {ndcg.measure}, {interval}, includes 0"


def model_card(report: TuningReport) -> str:
    """Return the README.md of the folder; it quotes nothing of the documents or questions."""
    rows = [
        f"| {one.measure} | {one.before:.3f} | {one.after:.3f} | {one.difference:+.3f} "
        f"({one.low:+.3f} to {one.high:+.3f}) |"
        for one in report.gains
    ]
    table = "\n".join(
        ["| | before | after | difference (95% interval) |", "|---|---|---|---|", *rows]
    )
    return (
        f"{_HEADER}# {report.folder.name}\n\n"
        f"**{verdict(report).capitalize()}.**\n\n"
        f"Made by `rag tune` of {report.base} ({report.variant}) from {report.train} questions; "
        f"{report.validation} chose when to stop. The figures are of {report.held_out} other "
        f"questions, no {report.split_by} of which was learnt from, each asked of the whole "
        f"index.\n\n{table}\n"
    )
