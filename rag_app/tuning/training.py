"""Fine-tune all weights of a network on questions and chunks, with in-batch negatives.

Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import PrinterCallback, TrainerCallback

from rag_app.tuning.batches import DocumentBatches, Pair
from rag_app.tuning.examples import sample_chunks
from rag_app.tuning.retrieval_metrics import ranking_scores
from rag_app.tuning.sentence_transformer import embed, has_fast_bfloat16, prompts
from rag_app.tuning.types import Example, IndexedChunk, Split

# Chosen on the validation articles of benchmarks/tune_xquad.py, none of which is held out there.
_LEARNING_RATE = 5e-5
_BATCH = 32
_WARMUP = 0.1
_VALIDATION_CHUNKS = 600

OnStep = Callable[[int, int], None]


def fine_tune(
    network: SentenceTransformer,
    split: Split,
    chunks: Sequence[IndexedChunk],
    epochs: int,
    seed: int,
    scratch: Path,
    on_step: OnStep,
) -> int:
    """Train the network in place; return the epoch of its weights, 0 for the base model.

    Training stops after the first epoch without a better validation score.

    Args:
        network: The network.
        split: Examples for training and validation.
        chunks: All chunks.
        epochs: Most epochs.
        seed: Random seed.
        scratch: A temporary folder for the trainer.
        on_step: Called with the steps done and the most steps.
    """
    pairs = _pairs(split.train, chunks)
    watch = _Watch(_Validation(network, split.validation, chunks, seed), on_step)
    trainer = _Trainer(
        model=network,
        args=_arguments(network, pairs, epochs, seed, scratch),
        train_dataset=Dataset.from_dict(
            {
                "question": [pair.question for pair in pairs],
                "chunk": [pair.chunk for pair in pairs],
            }
        ),
        loss=MultipleNegativesRankingLoss(network),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    network.load_state_dict(watch.weights)
    network.eval()
    return watch.epoch


class _Trainer(SentenceTransformerTrainer):
    """A trainer that collects no data for a model card, which would quote documents."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add nothing."""


def _pairs(examples: Sequence[Example], chunks: Sequence[IndexedChunk]) -> list[Pair]:
    return [
        Pair(example.question, chunks[at].embedding_text, chunks[at].source)
        for example in examples
        for at in example.chunks
    ]


def _arguments(
    network: SentenceTransformer, pairs: Sequence[Pair], epochs: int, seed: int, scratch: Path
) -> SentenceTransformerTrainingArguments:
    question, chunk = prompts(network)
    on_gpu = torch.cuda.is_available()
    return SentenceTransformerTrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=epochs,
        per_device_train_batch_size=_BATCH,
        learning_rate=_LEARNING_RATE,
        warmup_steps=_WARMUP,
        batch_sampler=partial(DocumentBatches, pairs=pairs),
        prompts={"question": question, "chunk": chunk},
        bf16=has_fast_bfloat16(),
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        seed=seed,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )


class _Validation:
    """Validation questions, and the chunks of their documents to search."""

    def __init__(
        self,
        network: SentenceTransformer,
        examples: Sequence[Example],
        chunks: Sequence[IndexedChunk],
        seed: int,
    ) -> None:
        self._network = network
        self._prompts = prompts(network)
        # Enough to compare epochs; embedding all chunks would take longer than the training.
        chosen = sample_chunks(examples, chunks, _VALIDATION_CHUNKS, seed)
        place = {at: number for number, at in enumerate(chosen)}
        self._texts = [chunks[at].embedding_text for at in chosen]
        self._examples = [
            Example(example.question, tuple(place[at] for at in example.chunks))
            for example in examples
        ]

    def score(self) -> float:
        """Return nDCG@10 with the current weights."""
        question, chunk = self._prompts
        device = self._network.device.type
        with torch.autocast(device, torch.bfloat16, enabled=has_fast_bfloat16()):
            chunks = embed(self._network, self._texts, chunk)
            questions = embed(self._network, [one.question for one in self._examples], question)
        return float(ranking_scores(questions, chunks, self._examples)[:, 0].mean())


class _Watch(TrainerCallback):
    """Keep the best weights, stop early, and report progress."""

    def __init__(self, validation: _Validation, on_step: OnStep) -> None:
        self._validation = validation
        self._on_step = on_step
        self.epoch = 0

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Keep the base weights as the best so far."""
        self._keep(model)
        self._score = self._validation.score()
        model.train()
        self._on_step(0, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report progress."""
        self._on_step(state.global_step, state.max_steps)

    def on_epoch_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Keep the weights if they are the best so far, or stop."""
        score = self._validation.score()
        model.train()
        if score > self._score:
            self._keep(model)
            self._score, self.epoch = score, round(state.epoch)
        else:
            control.should_training_stop = True

    def _keep(self, model: Any) -> None:
        self.weights = {name: one.detach().clone() for name, one in model.state_dict().items()}
