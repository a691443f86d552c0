"""Evaluate one configuration, or two on the same questions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ingest import FileProblem, Index, IndexSettings, SyncProgress, UsageError
from rag_app.app import RagApp
from rag_app.evaluation.datasets import load_dataset, read_passages
from rag_app.evaluation.metrics import aggregate, latency_ms, question_scores, recall_curve
from rag_app.evaluation.outcomes import ask_questions, check_evidence
from rag_app.evaluation.requirements import check_requirements
from rag_app.evaluation.statistics import compare
from rag_app.evaluation.types import Comparison, Dataset, Evaluation, Outcome
from rag_app.settings import Settings, load_settings

_PASSAGES_PER_BATCH = 500  # chosen by hand


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an evaluation: ``stage`` is ``indexing`` or ``asking``; ``total`` if known."""

    stage: str
    done: int
    total: int | None


OnProgress = Callable[[Progress], None]


def evaluate(
    dataset: Dataset | Path | str,
    settings: Settings | None = None,
    *,
    progress: OnProgress | None = None,
) -> Evaluation:
    """Return how well the configured app answers the questions of a data set.

    A data set with documents is indexed in a temporary folder. One without asks the user's index,
    which is only read.

    Raises:
        UsageError: The data set or a setting can't be used.
        MissingExtraError: The extra ``eval`` is not installed.
        StoreError: The user's index can't be read.
        ProviderError: The chat model failed.
    """
    check_requirements()
    loaded = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
    with _indexed(loaded, settings or load_settings(), progress) as index:
        return _measured(loaded, index, progress)


def evaluate_pair(
    dataset: Dataset | Path | str,
    settings: Settings,
    overrides: Mapping[str, object],
    *,
    progress: OnProgress | None = None,
) -> Comparison:
    """Return how ``settings`` compare with and without ``overrides``.

    Args:
        dataset: A data set, or the path of one.
        settings: The configuration before.
        overrides: Settings by name that make the configuration after.
        progress: Called with the progress of each of the two evaluations.

    Raises:
        RagError: As for `evaluate`.
    """
    check_requirements()
    loaded = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
    other = load_settings(**(settings.model_dump() | dict(overrides)))
    with _indexed(loaded, settings, progress) as index:
        before = _measured(loaded, index, progress)
        if _same_index(settings, other):
            place = {name: getattr(index.settings, name) for name in ("documents", "index")}
            kept = other if loaded.corpus is None else other.model_copy(update=place)
            after = _measured(loaded, replace(index, settings=kept), progress)
            return compare(before, after)
    if loaded.corpus is None:
        folder = other.documents if "documents" in overrides else _documents_of(settings)
        loaded = replace(loaded, corpus=folder)
    with _indexed(loaded, other, progress) as index:
        return compare(before, _measured(loaded, index, progress))


@dataclass(frozen=True, slots=True)
class _Indexed:
    """Settings whose index holds the documents of a data set, except those that failed."""

    settings: Settings
    failed: tuple[FileProblem, ...] = ()


@contextmanager
def _indexed(
    dataset: Dataset, settings: Settings, progress: OnProgress | None
) -> Iterator[_Indexed]:
    """Yield settings that point to an index of the data set, which exists within the block."""
    if dataset.corpus is None:
        yield _Indexed(settings)
        return
    with tempfile.TemporaryDirectory(prefix="rag-eval-") as scratch:
        app = RagApp(settings.model_copy(update={"index": Path(scratch, "index")}))
        failed: tuple[FileProblem, ...] = ()
        if dataset.corpus.is_dir():
            failed = app.index(dataset.corpus, progress=_sync_progress(progress)).failed
        else:
            failed = _index_passages(app, dataset.corpus, progress)
        yield _Indexed(app.settings, failed)


def _sync_progress(progress: OnProgress | None) -> Callable[[SyncProgress], None] | None:
    if progress is None:
        return None
    return lambda sync: progress(Progress("indexing", sync.files_done, sync.files_total))


def _index_passages(
    app: RagApp, corpus: Path, progress: OnProgress | None
) -> tuple[FileProblem, ...]:
    """Index the passages of a corpus and return those without text, which are not indexed."""
    # No write lock: nobody else knows the folder.
    app.settings.index.mkdir()
    index = Index.create(app.settings.index, app.embedding, app.settings.chunk_tokens)
    index.use()
    done = 0
    failed: list[FileProblem] = []
    passages = read_passages(corpus)
    while batch := list(islice(passages, _PASSAGES_PER_BATCH)):
        failed += [FileProblem(one.id, "has no text") for one in batch if not one.text]
        written = [one for one in batch if one.text]
        index.add_texts([one.text for one in written], ids=[one.id for one in written])
        done += len(written)
        if progress:
            progress(Progress("indexing", done, None))
    index.close()
    if not done:
        raise UsageError(f"{corpus} has no passage with a text")
    return tuple(failed)


def _measured(dataset: Dataset, index: _Indexed, progress: OnProgress | None) -> Evaluation:
    app = RagApp(index.settings)
    _check_places(app, dataset)
    outcomes: list[Outcome] = []
    for outcome in ask_questions(app, dataset.questions):
        outcomes.append(outcome)
        if progress:
            progress(Progress("asking", len(outcomes), len(dataset.questions)))
    app.store.close()
    scores = question_scores(outcomes)
    return Evaluation(
        dataset=dataset.name,
        configuration=_configuration(app.settings),
        outcomes=tuple(outcomes),
        scores=scores,
        metrics=aggregate(outcomes, scores),
        recall=recall_curve(outcomes),
        latency_ms=latency_ms(outcomes),
        failed=index.failed,
    )


def _check_places(app: RagApp, dataset: Dataset) -> None:
    """Raise UsageError for evidence that is not in the index: it would count as a miss."""
    if dataset.corpus and dataset.corpus.is_file():
        return
    for question in dataset.questions:
        for source in question.relevant:
            document = app.document(source)
            if document:
                check_evidence(question, document)
            elif dataset.corpus is None:
                raise UsageError(
                    f"{question.origin}: the index has no document '{source}'; "
                    "name it as 'rag search' shows it"
                )


def _configuration(settings: Settings) -> str:
    """Return the settings that determine an answer, on one line."""
    parts = [settings.llm, settings.embedding, f"top {settings.top_k}"]
    defaults = Settings.model_fields
    parts += [
        f"{name}={value}"
        for name in "prompt chunk_tokens width diversity rerank rewrite entailment".split()
        if (value := getattr(settings, name)) != defaults[name].default
    ]
    return ", ".join(parts)


def _same_index(settings: Settings, other: Settings) -> bool:
    """Return whether both settings build the same index."""
    names = set(IndexSettings.model_fields) - {"index", "openai_api_key"}
    return all(getattr(settings, name) == getattr(other, name) for name in names)


def _documents_of(settings: Settings) -> Path:
    """Return the folder that the user's index was made from."""
    return Path(RagApp(settings).store.state().folder or settings.documents)
