"""The claims are what their kind says, and the app tells those that hold from those that don't."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.claims import KINDS, Claim, held_out, make_claims, precision, recall
from benchmarks.rewrites import affirm, negate, oppose, paraphrase
from ingest import Language
from rag_app.attribution.citations import cite

BENCH = os.environ.get("RAG_BENCH")
needs_bench = pytest.mark.skipif(not BENCH, reason="RAG_BENCH names no folder of question sets")


@pytest.mark.parametrize(
    ("language", "sentence", "said", "changed"),
    [
        pytest.param(
            "en",
            "In 1998, the pond (a deep one) was dug; nobody knows by whom.",
            "In 1998, the pond was dug; nobody knows by whom.",
            1,
            id="brackets",
        ),
        pytest.param(
            "en",
            "However, in the early spring, the large pond is often dry.",
            "The big pond is frequently dry in the early spring.",
            3,
            id="no link, synonyms",
        ),
        pytest.param(
            "en",
            "In the early spring, the pond is dry and grey.",
            "The pond is dry and grey in the early spring.",
            1,
            id="clause last",
        ),
        pytest.param(
            "en",
            "The pond was designed by Maria Souza.",
            "Maria Souza designed the pond.",
            1,
            id="active",
        ),
        pytest.param(
            "en",
            "Maria, the owner of the pond, was born on March 5, 1998.",
            "Maria was born on 5 March 1998.",
            2,
            id="apposition and date",
        ),
        pytest.param("en", "It holds 4,000 litres.", "It holds 4000 litres.", 1, id="thousands"),
        pytest.param(
            "en", "It holds 4,000,000 litres.", "It holds 4,000,000 litres.", 0, id="as it is"
        ),
        pytest.param(
            "pt",
            "Em casos de doença, o acadêmico deverá avisar a secretaria (por carta).",
            "O acadêmico deve avisar a secretaria em casos de doença.",
            3,
            id="portuguese",
        ),
    ],
)
def test_a_paraphrase_says_the_same(language: Language, sentence: str, said: str, changed: int):
    assert paraphrase(sentence, language) == (said, changed)


def test_a_sentence_is_made_false_in_three_ways():
    assert negate("The pond is deep.", "en") == "The pond is not deep."
    assert negate("O lago é fundo.", "pt") == "O lago não é fundo."
    assert negate("The pond is never deep.", "en") == "The pond is never deep."
    assert affirm("The pond is not deep.", "en") == "The pond is deep."
    assert affirm("Não será permitido pescar.", "pt") == "Será permitido pescar."
    assert affirm("It is not only deep.", "en") == "It is not only deep."
    assert oppose("It rained before noon.", "en") == "It rained after noon."
    assert oppose("A primeira turma é maior.", "pt") == "A primeira turma é menor."
    assert oppose("The pond is deep.", "en") == "The pond is deep."


def test_precision_and_recall_count_what_is_verified():
    kinds = ("quote", "quote", "paraphrase", "negated", "negated")
    claims = [Claim(kind, "clapnq", "", "", ()) for kind in kinds]
    judged = list(zip(claims, (True, True, False, True, False), strict=True))
    assert precision(judged) == pytest.approx(2 / 3)
    assert recall(judged) == pytest.approx(2 / 3)
    assert recall(judged, ["paraphrase"]) == 0
    assert held_out(judged) == [judged[1], judged[4]]


@needs_bench
@pytest.mark.slow
def test_claims_that_hold_are_told_from_those_that_do_not():
    claims = make_claims(Path(BENCH or ""))
    assert Counter(claim.kind for claim in claims) == dict.fromkeys(KINDS, 50)
    for claim in claims:
        in_chunks = any(claim.text in chunk.text for chunk in claim.chunks)
        assert in_chunks == (claim.kind == "quote") or claim.kind == "paraphrase", claim
    for claim in claims[::6]:
        texts = {(chunk.source, chunk.start): chunk.text for chunk in claim.chunks}
        for one in cite(claim.text, claim.chunks).citations:
            places = [
                (text, one.start - at) for (of, at), text in texts.items() if of == one.source
            ]
            assert any(
                text[at : at + len(one.quote)] == one.quote for text, at in places if at >= 0
            )
    judged = [(claim, claim.verified) for claim in claims]
    for half in (judged, held_out(judged)):
        assert precision(half) >= 0.95
        assert recall(half) >= 0.85
        assert recall(half, ["paraphrase"]) >= 0.85
