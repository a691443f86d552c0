"""Vectors of passages and of their sentences, read in one pass and kept in a byte a number."""

from __future__ import annotations

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from ingest import EmbeddingModel, Passage, split_sentences
from ingest.embeddings import PassageVectors, SentenceVectors, wrap_embeddings
from ingest.embeddings.bundled import BundledEmbeddings
from ingest.embeddings.e5_folder import e5_folder

TEXT = "O prazo é de dez dias. Cats sleep sixteen hours a day.\n\nThe bridge is made of steel."
CONTEXT = "Rules > Deadlines"


def passage(text: str, context: str = "") -> Passage:
    return Passage(context, text, tuple(split_sentences(text)))


def exact(vectors: SentenceVectors) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return vectors.values.astype(np.float32) * vectors.scales[:, None]


def random_vectors(count: int, dimension: int = 384) -> np.ndarray[tuple[int, int], np.dtype]:
    vectors = np.random.default_rng(count).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def read(embedding: EmbeddingModel) -> PassageVectors:
    (vectors,) = embedding.embed_passages([passage(TEXT, CONTEXT)])
    return vectors


def test_sentences_are_found_in_the_whole_under_its_context() -> None:
    one = passage(TEXT, CONTEXT)
    assert one.whole == f"{CONTEXT}\n{TEXT}"
    parts = [one.whole[start:end] for start, end in one.whole_sentences]
    assert parts == [TEXT[start:end] for start, end in one.sentences]
    assert passage(TEXT).whole == TEXT


@pytest.mark.slow
@pytest.mark.parametrize("context", ["", CONTEXT])
def test_a_sentence_is_the_mean_of_its_tokens_within_the_passage(
    embedding: EmbeddingModel, context: str
) -> None:
    from sentence_transformers import SentenceTransformer

    one = passage(TEXT, context)
    prompt = embedding.identity.document_prompt
    reference = SentenceTransformer(str(e5_folder()), device="cpu")
    states = np.asarray(
        reference.encode(prompt + one.whole, output_value="token_embeddings", prompt="")
    )
    offsets = np.array(embedding.tokenizer.encode(prompt + one.whole).offsets) - len(prompt)
    expected = []
    for start, end in one.whole_sentences:
        inside = (offsets[:, 0] >= start) & (offsets[:, 1] <= end) & (np.ptp(offsets, axis=1) > 0)
        mean = states[inside].mean(axis=0)
        expected.append(mean / np.linalg.norm(mean))

    assert isinstance(embedding.embeddings, BundledEmbeddings)
    (found,) = embedding.embeddings.embed_stretches([one.whole], [one.whole_sentences])

    least = 0.9999 if embedding.identity.precision == "f32" else 0.98
    assert (found[1:] * expected).sum(axis=1).min() > least
    alone = embedding.embed_documents([TEXT[start:end] for start, end in one.sentences])
    assert (found[1:] * alone).sum(axis=1).max() < 0.99


def test_the_whole_is_embedded_as_a_document(
    embedding: EmbeddingModel, read: PassageVectors
) -> None:
    expected = embedding.embed_documents([f"{CONTEXT}\n{TEXT}"])[0]
    assert np.abs(read.whole - expected).max() < 1e-3
    assert np.linalg.norm(read.whole) == pytest.approx(1, abs=1e-5)


def test_a_question_finds_the_sentence_that_answers_it(
    embedding: EmbeddingModel, read: PassageVectors
) -> None:
    for question, sentence in (
        ("How long do cats sleep?", 1),
        ("What is the bridge made of?", 2),
        ("Qual é o prazo?", 0),
    ):
        scored = read.sentences.scored(embedding.embed_query(question))
        assert [(one.start, one.end) for one in scored] == split_sentences(TEXT)
        assert max(range(3), key=lambda place: scored[place].cosine) == sentence


def test_a_passage_of_one_sentence_is_nearly_that_sentence(embedding: EmbeddingModel) -> None:
    text = "Cats sleep sixteen hours a day."
    one, other = embedding.embed_passages([passage(text), passage("The bridge is of steel.")])
    own = exact(one.sentences)[0]
    assert own @ one.whole > 0.97
    assert own @ one.whole > own @ other.whole + 0.1


def test_vectors_do_not_depend_on_what_is_embedded_with_them(
    embedding: EmbeddingModel, read: PassageVectors
) -> None:
    others = [passage("word " * count + "is said.", "Words") for count in (1, 40, 300)]
    *_, found = embedding.embed_passages([*others, passage(TEXT, CONTEXT)])
    assert np.abs(found.whole - read.whole).max() < 1e-3
    assert np.abs(exact(found.sentences) - exact(read.sentences)).max() < 0.01


def test_a_sentence_beyond_what_the_model_reads_is_nothing_and_harms_nothing(
    embedding: EmbeddingModel,
) -> None:
    text = "word " * 600 + "ends. The last sentence is not read."
    (found,) = embedding.embed_passages([passage(text)])
    first, last = found.sentences.scored(embedding.embed_query("the last sentence"))
    assert not found.sentences.values[1].any()
    assert (last.cosine, found.sentences.scales[1]) == (0, 0)
    assert first.cosine > 0
    assert np.isfinite(found.whole).all()
    assert found.sentences.scored(np.zeros(384, np.float32))[1].cosine == 0


def test_passages_without_sentences_have_none(embedding: EmbeddingModel) -> None:
    with_some, without = embedding.embed_passages([passage(TEXT), Passage("", "x")])
    assert len(with_some.sentences.spans) == 3
    assert without.sentences.spans.shape == (0, 2)
    assert without.sentences.scored(without.whole) == ()
    assert SentenceVectors.from_bytes(without.sentences.to_bytes(), 384).spans.shape == (0, 2)


def test_no_passages_give_no_vectors(embedding: EmbeddingModel) -> None:
    assert embedding.embed_passages([]) == []
    assert wrap_embeddings(DeterministicFakeEmbedding(size=8)).embed_passages([]) == []


@pytest.mark.parametrize("count", [0, 1, 50])
def test_bytes_hold_all_that_is_kept(count: int) -> None:
    spans = tuple((n, 3 * n + 1) for n in range(count))
    vectors = SentenceVectors.of(spans, random_vectors(count))
    again = SentenceVectors.from_bytes(vectors.to_bytes(), 384)
    query = random_vectors(2)[0]
    assert len(vectors.to_bytes()) == count * (384 + 12)
    assert (again.spans == vectors.spans).all()
    assert (again.values == vectors.values).all()
    assert again.scored(query) == vectors.scored(query)


@pytest.mark.parametrize("size", [1, 395, 397, 1536])
def test_bytes_of_another_dimension_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are not rows of 396"):
        SentenceVectors.from_bytes(bytes(size), 384)


def test_rounding_changes_a_cosine_by_less_than_a_hundredth(
    embedding: EmbeddingModel, read: PassageVectors
) -> None:
    assert isinstance(embedding.embeddings, BundledEmbeddings)
    one = passage(TEXT, CONTEXT)
    (found,) = embedding.embeddings.embed_stretches([one.whole], [one.whole_sentences])
    for vectors in (found[1:], random_vectors(200)):
        kept = SentenceVectors.of(((0, 1),) * len(vectors), vectors)
        for query in (embedding.embed_query("Qual é o prazo?"), *random_vectors(20), *vectors[:3]):
            cosines = np.array([one.cosine for one in kept.scored(query)])
            assert np.abs(cosines - vectors @ query).max() < 0.01


def test_a_model_without_states_of_tokens_embeds_sentences_on_their_own() -> None:
    model = wrap_embeddings(DeterministicFakeEmbedding(size=8))
    passages = [passage(TEXT, CONTEXT), Passage("", "Nothing"), passage("One more. And more.")]
    found = model.embed_passages(passages)
    for one, vectors in zip(passages, found, strict=True):
        assert (vectors.whole == model.embed_documents([one.whole])[0]).all()
        sentences = model.embed_documents([one.text[start:end] for start, end in one.sentences])
        assert vectors.sentences.spans.tolist() == [list(span) for span in one.sentences]
        assert np.abs(exact(vectors.sentences) - sentences).max(initial=0) < 0.01
