"""Tune the embedding model to the user's documents and measure the gain."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ingest import IndexSettings, MissingExtraError, UsageError, model_folder, open_index
from rag_app.tuning.examples import match_questions, read_chunks, sample_chunks
from rag_app.tuning.model_card import model_card
from rag_app.tuning.retrieval_metrics import (
    Scores,
    Vectors,
    compare,
    is_clearly_better,
    ranking_scores,
)
from rag_app.tuning.split import split_examples
from rag_app.tuning.types import (
    Example,
    IndexedChunk,
    KnownQuestion,
    Split,
    Stage,
    TuningProgress,
    TuningReport,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Most epochs, chosen by hand: training stops early.
EPOCHS = 3
ADAPTER_EPOCHS = 40

OnProgress = Callable[[TuningProgress], None]


def tune(
    settings: IndexSettings,
    questions: Sequence[KnownQuestion],
    folder: Path,
    *,
    adapter: bool = False,
    epochs: int | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> TuningReport:
    """Train the configured embedding model on ``questions`` and save it in ``folder``.

    The folder is a Sentence Transformers model for ``huggingface:<folder>``; it appears only when
    it is complete.

    Args:
        settings: The settings with the index and the embedding model.
        questions: The questions, to be matched to chunks of the index.
        folder: A new folder for the model.
        adapter: Train only a linear layer on top of the model, which takes seconds.
        epochs: Most epochs; by default 3, or 40 with ``adapter``.
        seed: Random seed.
        progress: Called with the progress of each stage.

    Raises:
        UsageError: The folder can't be written or is not empty, the configured model does not run
            locally, or too few questions match a chunk.
        MissingExtraError: The extra ``huggingface`` is not installed.
        IndexMissingError: There is no index.
    """
    started = time.monotonic()
    _require_training()
    base = model_folder(settings)
    with closing(open_index(settings)) as index:
        chunks = read_chunks(index)
    matched = match_questions(questions, chunks)
    split = split_examples(matched.examples, chunks, seed)
    with _scratch_beside(folder) as scratch:
        trial = _Trial(base, chunks, split, seed, Path(scratch), progress or (lambda _: None))
        done = trial.adapter(epochs or ADAPTER_EPOCHS) if adapter else trial.whole(epochs or EPOCHS)
        gains = compare(done.before, done.after, [one.group for one in split.held_out])
        report = TuningReport(
            folder=folder,
            base=settings.embedding,
            variant="adapter" if adapter else "whole model",
            split_by="document" if split.by_document else "chunk",
            train=len(split.train),
            validation=len(split.validation),
            held_out=len(split.held_out),
            unmatched=matched.unmatched,
            epochs=done.epoch,
            gains=gains,
            recommended=is_clearly_better(gains),
            seconds=time.monotonic() - started,
        )
        _save(done.network, report, Path(scratch) / "model")
    return report


def _require_training() -> None:
    needed = ("sentence_transformers", "torch", "datasets", "accelerate")
    if any(find_spec(module) is None for module in needed):
        raise MissingExtraError("tuning an embedding model", "huggingface")


def _scratch_beside(folder: Path) -> TemporaryDirectory[str]:
    """Return a temporary folder on the same disk, so that the model can be moved by renaming."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} already exists: name a new folder for the model")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=".rag-tune-", dir=folder.parent)
    except OSError as error:
        raise UsageError(f"{folder} can't be written: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Tuned:
    """A trained network with the held-out scores before and after; shape (questions, 3)."""

    network: SentenceTransformer
    epoch: int
    before: Scores
    after: Scores


class _Trial:
    """One training run, with held-out scores before and after."""

    def __init__(
        self,
        base: Path,
        chunks: Sequence[IndexedChunk],
        split: Split,
        seed: int,
        scratch: Path,
        progress: OnProgress,
    ) -> None:
        from rag_app.tuning.sentence_transformer import load_network, prompts

        self._network = load_network(base)
        self._prompts = prompts(self._network)
        self._chunks = chunks
        self._split = split
        self._seed = seed
        self._scratch = scratch
        self._progress = progress

    def whole(self, epochs: int) -> _Tuned:
        """Train all weights."""
        from rag_app.tuning.training import fine_tune

        held_out = self._split.held_out
        before = ranking_scores(
            self._embed_questions(held_out), self._embed_chunks("measuring before"), held_out
        )
        epoch = fine_tune(
            self._network,
            self._split,
            self._chunks,
            epochs,
            self._seed,
            self._scratch / "trainer",
            self._on_step("training"),
        )
        after = ranking_scores(
            self._embed_questions(held_out), self._embed_chunks("measuring after"), held_out
        )
        return _Tuned(self._network, epoch, before, after)

    def adapter(self, epochs: int) -> _Tuned:
        """Train an adapter on precomputed embeddings."""
        from rag_app.tuning.adapter import POOL, EmbeddedExamples, train_adapter

        split = self._split
        chunks = self._embed_chunks("measuring before")
        train, validation, held_out = (
            EmbeddedExamples(part, self._embed_questions(part))
            for part in (split.train, split.validation, split.held_out)
        )
        pool = sample_chunks(split.train, self._chunks, POOL, self._seed)
        step = self._on_step("training")
        adapter = train_adapter(train, validation, chunks, pool, epochs, self._seed, step)
        return _Tuned(
            adapter.put_on(self._network),
            adapter.epoch,
            ranking_scores(held_out.vectors, chunks, held_out.examples),
            ranking_scores(
                adapter.apply(held_out.vectors), adapter.apply(chunks), held_out.examples
            ),
        )

    def _embed_questions(self, examples: Sequence[Example]) -> Vectors:
        from rag_app.tuning.sentence_transformer import embed

        return embed(self._network, [one.question for one in examples], self._prompts[0])

    def _embed_chunks(self, stage: Stage) -> Vectors:
        from rag_app.tuning.sentence_transformer import embed

        texts = [chunk.embedding_text for chunk in self._chunks]
        step = self._on_step(stage)
        return embed(self._network, texts, self._prompts[1], lambda done: step(done, len(texts)))

    def _on_step(self, stage: Stage) -> Callable[[int, int], None]:
        return lambda done, total: self._progress(TuningProgress(stage, done, total))


def _save(network: SentenceTransformer, report: TuningReport, model: Path) -> None:
    try:
        network.save_pretrained(str(model), create_model_card=False)  # it would quote documents
        (model / "README.md").write_text(model_card(report), encoding="utf-8")
        record = report.to_record() | {"folder": report.folder.name}
        (model / "tuning.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
        model.replace(report.folder)
    except OSError as error:
        raise UsageError(f"{report.folder} can't be written: {error.strerror}") from None
