"""Natural language inference: whether a quote (the premise) entails a claim (the hypothesis)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingest import UsageError, load_cross_encoder

_LABEL = "entailment"

# Takes pairs of a quote and a claim, and returns whether each quote entails its claim.
Entails = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]


def entailment_model(name: str) -> Entails:
    """Return the entailment model named ``huggingface:<id or folder>``.

    Raises:
        UsageError: If the name is of another form, there is no such model, or it has no label for
            entailment.
        MissingExtraError: If sentence-transformers is not installed.
    """
    encoder = load_cross_encoder(name, "an entailment model")
    labels = {index: str(label) for index, label in encoder.config.id2label.items()}
    entailing = [index for index, label in labels.items() if label.casefold() == _LABEL]
    if not entailing or len(labels) == 1:
        raise UsageError(
            f"'{name}' is not an entailment model: it has to tell '{_LABEL}' from another label, "
            f"its labels are {', '.join(labels.values())}"
        )

    def entails(pairs: Sequence[tuple[str, str]]) -> Sequence[bool]:
        scores = encoder.predict(list(pairs), show_progress_bar=False)
        return [int(label) in entailing for label in scores.argmax(axis=1)]

    return entails
