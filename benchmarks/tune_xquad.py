"""What tuning the embedding model to a set of articles does for questions on other articles.

    python -m benchmarks.tune_xquad BENCH [--variant whole|adapter|both] [--epochs N] [--seed 0]

BENCH is the folder of the public sets; its xquad-en has 48 articles with 1,190 questions. Sixteen
articles are held out, eight choose when to stop, and twenty-four are learnt from. Before and after
are measured twice on the held-out questions: the embeddings alone, among all chunks of the 48
articles, and the whole retrieval, as `rag search` does it, on an index made with each model.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from ingest import open_index, sync_folder
from rag_app.retrieval import HybridRetriever
from rag_app.settings import Settings
from rag_app.tuning import (
    KnownQuestion,
    TuningProgress,
    TuningReport,
    read_questions,
    tune,
    verdict,
)
from rag_app.tuning.examples import match_questions, read_chunks
from rag_app.tuning.retrieval_metrics import Scores, compare, scores_of_ranking
from rag_app.tuning.split import split_examples
from rag_app.tuning.types import Example, Gain

_VARIANTS = {"whole": (False,), "adapter": (True,), "both": (True, False)}


def main() -> None:
    """Print both measurements of the chosen variants."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="tune-xquad-") as folder:
        scratch = Path(folder)
        documents = scratch / "documents"
        shutil.copytree(arguments.bench / "xquad-en" / "documents", documents)
        questions = _questions(arguments.bench / "xquad-en" / "queries.jsonl", scratch)
        base = Settings(documents=documents, index=scratch / "index")
        sync_folder(base)
        before = _retrieval_scores(base, questions, arguments.seed)
        for adapter in _VARIANTS[arguments.variant]:
            started = time.monotonic()
            target = scratch / ("adapter" if adapter else "whole")
            report = tune(
                base,
                questions,
                target,
                adapter=adapter,
                epochs=arguments.epochs,
                seed=arguments.seed,
                progress=_show,
            )
            _print_report(report, time.monotonic() - started)
            tuned = Settings(
                documents=documents,
                index=scratch / f"index-{target.name}",
                embedding=f"huggingface:{target}",
            )
            sync_folder(tuned)
            after = _retrieval_scores(tuned, questions, arguments.seed)
            groups = [one.group for one in _held_out(base, questions, arguments.seed)]
            _print_gains("whole retrieval", compare(before, after, groups))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bench", type=Path, help="folder of the public sets")
    parser.add_argument("--variant", choices=_VARIANTS, default="both")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _questions(queries: Path, scratch: Path) -> list[KnownQuestion]:
    """Write the questions as `rag tune` takes them, and return them as it reads them."""
    file = scratch / "questions.jsonl"
    with queries.open(encoding="utf-8") as lines, file.open("w", encoding="utf-8") as out:
        for line in lines:
            given = json.loads(line)
            kept = {
                "question": given["text"],
                "source": Path(given["source"]).name,
                "answers": given["answers"],
                "evidence": given["evidence"],
            }
            out.write(f"{json.dumps(kept)}\n")
    return read_questions(file)


def _held_out(
    settings: Settings, questions: Sequence[KnownQuestion], seed: int
) -> tuple[Example, ...]:
    """Return the examples that `tune` holds out with this seed."""
    with closing(open_index(settings)) as index:
        chunks = read_chunks(index)
    return split_examples(match_questions(questions, chunks).examples, chunks, seed).held_out


def _retrieval_scores(settings: Settings, questions: Sequence[KnownQuestion], seed: int) -> Scores:
    """Return the scores of the held-out questions under the retrieval of `rag search`."""
    scores = []
    with closing(open_index(settings)) as index:
        chunks = read_chunks(index)
        places = {(chunk.source, chunk.text): at for at, chunk in enumerate(chunks)}
        retriever = HybridRetriever(index=index, k=10)
        for example in _held_out(settings, questions, seed):
            found = retriever.invoke(example.question)
            ranking = [places[one.metadata["source"], one.page_content] for one in found]
            scores.append(scores_of_ranking(ranking, example.chunks))
    return np.array(scores)


def _show(progress: TuningProgress) -> None:
    if progress.done == progress.total:
        print(f"  {progress.stage}: {progress.total} done", file=sys.stderr, flush=True)


def _print_report(report: TuningReport, seconds: float) -> None:
    print(
        f"\n{report.variant}: {report.train} questions learnt from, {report.validation} to stop "
        f"by, {report.held_out} held out by {report.split_by}, {len(report.unmatched)} left out; "
        f"weights of epoch {report.epochs}; {seconds:.0f} s"
    )
    _print_gains("embeddings alone", report.gains)
    print(f"  {verdict(report)}", flush=True)


def _print_gains(what: str, gains: Sequence[Gain]) -> None:
    print(f"  {what:20}{'before':>8}{'after':>8}   difference (95% interval)")
    for gain in gains:
        interval = f"{gain.difference:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        print(f"  {gain.metric:20}{gain.before:8.3f}{gain.after:8.3f}   {interval}", flush=True)


if __name__ == "__main__":
    main()
