from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from random import Random

import numpy as np
import pytest

from ingest import UNDETERMINED, Candidate, ScoredSpan
from ingest.index.records import ChunkRow, Origin
from ingest.types import Chunk
from rag_app.retrieval.ranking import Ranked, Weights, in_order, rank, scaled

MEANING = Weights(meaning=1, sentence=0, named=0, repeated=0)
WORDS = Weights(meaning=0, across=0, named=0, repeated=0)
PARTS = ("dense", "sentence", "lexical", "grams")


def candidate(
    source: str,
    text: str,
    dense: float = 0.5,
    lexical: float = 1.0,
    *,
    cosines: Sequence[float] = (),
    language: str = "en",
    ordinal: int = 0,
    origin: Origin = Origin.FOLDER,
) -> Candidate:
    chunk = Chunk(text, 0, len(text))
    row = ChunkRow(1, ordinal, chunk, source, origin, language, {}, True)
    sentences = tuple(ScoredSpan(0, len(text), cosine) for cosine in cosines)
    return Candidate(row, dense, lexical, np.zeros(2, np.float32), sentences)


def sources(ranked: Sequence[Ranked]) -> list[str]:
    return [one.candidate.row.source for one in ranked]


def order(
    question: str, candidates: Sequence[Candidate], weights: Weights | None = None
) -> list[str]:
    return sources(rank(question, candidates, weights) if weights else rank(question, candidates))


def test_no_candidates_rank_as_none() -> None:
    assert rank("anything", []) == []


def test_both_sides_count() -> None:
    meant = candidate("meant", "Felines rest a.", 0.9, 0.0)
    said = candidate("said", "Felines rest b.", 0.1, 9.0)
    both = candidate("both", "Felines rest c.", 0.9, 9.0)
    neither = candidate("neither", "Felines rest d.", 0.1, 0.0)

    assert order("cats", [neither, said, meant, both]) == ["both", "meant", "said", "neither"]


def test_each_part_is_on_a_scale_from_0_to_1_and_the_score_is_their_weighted_mean() -> None:
    texts = {"a": "Cats nap.", "b": "A cat and a dog.", "c": "Nothing of the kind."}
    numbers = {"a": (0.9, 2.0, 0.5), "b": (0.7, 12.0, 0.8), "c": (0.8, 0.0, 0.2)}
    found = rank(
        "Which cats nap?",
        [
            candidate(
                name, text, numbers[name][0], numbers[name][1], cosines=[0.0, numbers[name][2]]
            )
            for name, text in texts.items()
        ],
        Weights(meaning=0.6, sentence=0.3, grams=0.2, named=0, repeated=0),
    )

    for part in PARTS:
        values = [getattr(one, part) for one in found]
        assert (min(values), max(values)) == (0, 1)
    middle = {one.candidate.row.source: one for one in found}
    assert middle["c"].dense == pytest.approx((0.8 - 0.7) / (0.9 - 0.7))
    assert middle["a"].sentence == pytest.approx((0.5 - 0.2) / (0.8 - 0.2))
    assert middle["a"].lexical == pytest.approx(2 / 12)
    for one in found:
        meaning = 0.7 * one.dense + 0.3 * one.sentence
        words = 0.8 * one.lexical + 0.2 * one.grams
        assert one.score == pytest.approx(0.6 * meaning + 0.4 * words)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param([0.2, 0.6, 0.4], [0, 1, 0.5], id="spread out"),
        pytest.param([-0.2, 0.2], [0, 1], id="below 0"),
        pytest.param([0.7, 0.7], [1, 1], id="equal"),
        pytest.param([0.0, 0.0], [0, 0], id="nothing"),
        pytest.param([3.0], [1], id="one"),
        pytest.param([], [], id="none"),
    ],
)
def test_scores_are_scaled(scores: list[float], expected: list[float]) -> None:
    assert scaled(scores).tolist() == pytest.approx(expected)


def test_the_nearest_sentence_speaks_for_its_chunk() -> None:
    near = candidate("near", "Bread. A kitten.", cosines=[0.1, 0.9])
    far = candidate("far", "Bread. An oven.", cosines=[0.4, 0.5])

    assert order("cats", [far, near], Weights(meaning=1, sentence=1)) == ["near", "far"]


def test_a_chunk_without_sentences_counts_as_one() -> None:
    whole = candidate("whole", "Bread a.", 0.6)
    found = rank("cats", [candidate("near", "Bread b.", 0.5, cosines=[0.7]), whole])

    assert {one.candidate.row.source: one.sentence for one in found} == {"near": 1, "whole": 0}


@pytest.mark.parametrize("weights", [MEANING, WORDS], ids=["meaning", "words"])
def test_a_weight_of_1_leaves_the_other_side_out(weights: Weights) -> None:
    meant = candidate("meaning", "Felines rest a.", 0.9, 0.0)
    said = candidate("words", "Cats rest.", 0.1, 9.0)
    expected = ["meaning", "words"] if weights is MEANING else ["words", "meaning"]

    found = rank("cats", [meant, said], weights)

    assert sources(found) == expected
    assert [one.score for one in found] == [1, 0]


def test_a_chunk_in_another_language_is_ranked_by_meaning() -> None:
    texts = {"meant": "As férias duram 22 dias.", "said": "Os anos têm estações."}

    def found(language: str) -> list[str]:
        meant = candidate("meant", texts["meant"], 0.9, 0.0, language=language)
        said = candidate("said", texts["said"], 0.6, 9.0, language=language)
        distant = candidate("distant", "Zebra.", 0.5, 0.0, language=language)
        weights = Weights(meaning=0.2, across=0.95, named=0)
        return order("How many days of leave are there in a year?", [said, meant, distant], weights)

    assert found("pt") == ["meant", "said", "distant"]
    assert found("en") == found(UNDETERMINED) == ["said", "meant", "distant"]


def test_a_shared_word_does_not_keep_the_other_language_back() -> None:
    question = "Quantos dias de férias tem um empregado?"
    english = candidate("en", "Employees get 22 days of leave.", 0.9, 0.0, language="en")
    portuguese = candidate("pt", "O empregado tem um crachá.", 0.7, 5.0, language="pt")
    other = candidate("other", "O refeitório abre cedo.", 0.6, 0.5, language="pt")

    assert order(question, [other, portuguese, english])[0] == "en"


@pytest.mark.parametrize("question", ["7310-22-B?", "E1043?", "ACME ABC-1"])
def test_an_undetermined_question_is_across_from_nothing(question: str) -> None:
    weights = Weights(meaning=0.0, across=1.0, named=0, repeated=0)
    holds = candidate("holds", f"Peça {question}", 0.1, 9.0, language="pt")
    other = candidate("other", "Zebra.", 0.9, 0.0, language="pt")

    assert [one.score for one in rank(question, [other, holds], weights)] == [1, 0]
    assert order(question, [other, holds], weights) == ["holds", "other"]


def test_the_path_of_a_file_is_searched_and_the_id_of_a_text_is_not() -> None:
    question = "How did net sales change in Globex?"
    weights = Weights(meaning=0, grams=1, named=0, repeated=0)
    pairs = {
        origin: rank(
            question,
            [
                candidate("2023/Globex_Q2.txt", "The quarter was good.", origin=origin),
                candidate("2023/Acme_Q2.txt", "The quarter was poor.", origin=origin),
            ],
            weights,
        )
        for origin in Origin
    }

    assert sources(pairs[Origin.FOLDER]) == ["2023/Globex_Q2.txt", "2023/Acme_Q2.txt"]
    assert [one.grams for one in pairs[Origin.FOLDER]] == [1, 0]
    assert [one.grams for one in pairs[Origin.ADDED]] == [0, 0]


def test_the_file_that_the_question_names_comes_first() -> None:
    text = "Net sales rose by a tenth over the quarter before."
    named = candidate("2023 Q2 acme.txt", text, 0.5, 1.0)
    other = candidate("2022 Q3 acme.txt", f"{text} Indeed.", 0.6, 1.1)
    distant = candidate("zebra.txt", "Zebra.", 0.0, 0.0)
    question = "How did net sales change in Q2 2023?"

    found = rank(question, [other, named, distant])

    assert sources(found) == ["2023 Q2 acme.txt", "2022 Q3 acme.txt", "zebra.txt"]
    assert [one.named for one in found] == [1, 0, 0]
    unnamed = rank(question, [other, named, distant], Weights(grams=0, named=0))
    assert sources(unnamed)[0] == "2022 Q3 acme.txt"


def test_a_chunk_that_all_speaks_for_has_a_score_of_1() -> None:
    best = candidate("cats.md", "Cats sleep.", 0.9, 9.0)
    other = candidate("dogs.md", "Zebras.", 0.1, 0.0)

    assert [one.score for one in rank("cats", [best, other])] == pytest.approx([1, 0])


def test_of_texts_that_differ_in_white_space_only_the_best_is_kept() -> None:
    best = candidate("b", "Cats  sleep\nhere.", 0.9)
    copy = candidate("a", "Cats sleep here.", 0.8)
    other = candidate("c", "cats sleep here.", 0.1)

    assert order("dogs", [other, copy, best]) == ["b", "c"]


def test_another_file_comes_before_one_more_chunk_that_is_hardly_better() -> None:
    same = [candidate("a", f"Cats nap {at}.", 0.9 - at / 100, 9.0, ordinal=at) for at in range(3)]
    close, far = candidate("b", "Cats nap 3.", 0.86, 9.0), candidate("c", "Cats nap 4.", 0.3, 3.0)
    distant = candidate("z", "Zebra.", 0.0, 0.0)

    assert order("cats", [*same, close, far, distant]) == ["a", "b", "a", "a", "c", "z"]


def test_each_further_chunk_of_a_document_loses_more() -> None:
    same = [candidate("a", f"Cats nap {at}.", ordinal=at) for at in range(3)]

    found = rank("cats", same, Weights(named=0, repeated=0.1))

    assert [one.score for one in found] == pytest.approx([1, 0.9, 0.8])
    assert [one.candidate.row.ordinal for one in found] == [0, 1, 2]
    assert [one.score for one in rank("cats", same, Weights(named=0, repeated=0.0))] == [1, 1, 1]
    assert min(one.score for one in rank("cats", same, Weights(named=0, repeated=0.9))) == 0


def test_equal_candidates_are_ordered_by_place() -> None:
    alike = [
        candidate(source, text, ordinal=ordinal)
        for source, ordinal, text in (
            ("b", 0, "Cats sleep."),
            ("c", 0, "cats sleep."),
            ("a", 2, "CATS sleep."),
            ("a", 1, "CATS SLEEP."),
        )
    ]

    found = rank("cats", alike, Weights(repeated=0))

    assert [in_order(one)[1:] for one in found] == [("a", 1), ("a", 2), ("b", 0), ("c", 0)]


def test_the_order_is_total_and_scores_descend_from_1_at_most() -> None:
    random = Random(7)
    many = [
        candidate(
            f"{random.randrange(9)}.md",
            f"Text {at}: {random.choice(['cats', 'gatos', 'dogs'])}",
            random.choice([0.2, 0.5, 0.9]),
            random.choice([0.0, 4.0]),
            cosines=[random.random()] * random.randrange(2),
            language=random.choice(["en", "pt", UNDETERMINED]),
            ordinal=at,
        )
        for at in range(60)
    ]

    first = rank("Where do the cats sleep?", many)
    scores = [one.score for one in first]

    assert len(first) == 60
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] < scores[0] <= 1
    for _ in range(3):
        random.shuffle(many)
        assert rank("Where do the cats sleep?", many) == first


def test_the_weights_in_use_are_shares() -> None:
    weights = Weights()

    assert all(0 <= getattr(weights, field.name) <= 1 for field in fields(weights))
    assert weights.across > weights.meaning
