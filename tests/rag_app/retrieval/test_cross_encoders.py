"""What the reranker and the entailment model share: how they are named and found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest import UsageError
from rag_app.attribution.nli import entailment_model
from rag_app.retrieval import cross_encoder


@pytest.mark.parametrize(
    ("load", "role"),
    [
        pytest.param(cross_encoder, "a reranker", id="reranker"),
        pytest.param(entailment_model, "an entailment model", id="entailment"),
    ],
)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("openai:gpt", "is not {role}", id="other provider"),
        pytest.param("huggingface:", "is not {role}", id="no model"),
        pytest.param("huggingface:/no/such/folder", "is not a folder", id="no folder"),
    ],
)
def test_a_model_that_cannot_be_used_is_named(
    load: Callable[[str], object], role: str, name: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message.format(role=role)):
        load(name)
