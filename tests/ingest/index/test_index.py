from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from ingest import (
    Document,
    EmbeddingModel,
    Index,
    IndexDamagedError,
    IndexMissingError,
    UsageError,
    split_sentences,
)
from ingest.index import snapshot
from ingest.index.directory import CATALOG, write_lock
from ingest.index.document_index import Changes
from ingest.index.records import DocumentRow, Origin
from ingest.types import Heading

TEXTS = {
    "cats": "Cats sleep sixteen hours a day.",
    "dogs": "Dogs were the first animals that people kept.",
    "birds": "Um beija-flor bate as asas oitenta vezes por segundo.",
    "fish": "Salmon return to the river where they were born.",
}


@pytest.fixture
def empty(tmp_path: Path, embedding: EmbeddingModel) -> Iterator[Index]:
    with write_lock(tmp_path):
        index = Index.create(tmp_path, embedding, chunk_tokens=200)
        index.use()
    yield index
    index.close()


@pytest.fixture
def index(empty: Index) -> Index:
    empty.add_texts(list(TEXTS.values()), [{"animal": name} for name in TEXTS], ids=list(TEXTS))
    return empty


def found(index: Index, question: str, **filter: str) -> dict[str, tuple[float, float]]:
    """Every chunk with its scores, rounded."""
    candidates = index.candidates(question, 1000, filter)
    return {
        f"{c.row.source}#{c.row.ordinal}": (round(c.dense, 5), round(c.lexical, 5))
        for c in candidates
    }


def test_all_chunks_come_in_the_order_of_their_documents(index: Index) -> None:
    text = "\n\n".join(f"Section {n}. " + "A river runs to the sea. " * 30 for n in range(3))
    index.add_texts([text, "Otters hold hands."], ids=["bay", "ants"])
    index.delete(["dogs"])
    chunks = index.chunks()
    places = [(row.source, row.ordinal) for row in chunks]
    assert places == sorted(places)
    assert {row.source for row in chunks} == {"cats", "birds", "fish", "bay", "ants"}
    assert len(chunks) == index.status().chunks > 5
    assert [row for row in chunks if row.source == "bay"] == sorted(
        (one.row for one in index.candidates("river", 1000) if one.row.source == "bay"),
        key=lambda row: row.ordinal,
    )


def test_all_chunks_of_an_empty_index_are_none(empty: Index) -> None:
    assert empty.chunks() == []


def test_a_missing_index_says_how_to_make_one(tmp_path: Path, embedding: EmbeddingModel) -> None:
    with pytest.raises(IndexMissingError, match="run 'rag index'"):
        Index.open(tmp_path, embedding)


def test_a_file_in_the_place_of_an_index_is_no_index(
    tmp_path: Path, embedding: EmbeddingModel
) -> None:
    (tmp_path / "note.md").write_text("No index.")
    with pytest.raises(IndexMissingError, match=r"there is no index in .*note\.md"):
        Index.open(tmp_path / "note.md", embedding)


def test_candidates_carry_cosine_and_bm25(index: Index, embedding: EmbeddingModel) -> None:
    question = "Where do salmon return to?"
    cosine = float(embedding.embed_query(question) @ embedding.embed_documents([TEXTS["fish"]])[0])

    fish = next(c for c in index.candidates(question, 1) if c.row.source == "fish")

    assert fish.dense == pytest.approx(cosine, abs=1e-4)
    assert fish.lexical > 0
    assert fish.row.chunk.text == TEXTS["fish"]


def test_candidates_carry_the_cosine_of_each_sentence(empty: Index) -> None:
    text = "Cats sleep sixteen hours a day. Salmon return to the river where they were born."
    empty.add_texts([text], ids=["both"])

    (both,) = empty.candidates("Where do salmon return to?", 1)

    assert [(one.start, one.end) for one in both.sentences] == split_sentences(text)
    assert both.sentences[1].cosine > both.sentences[0].cosine + 0.02
    assert all(-1 <= one.cosine <= 1 for one in both.sentences)


def test_the_same_words_under_other_headings_have_their_own_sentences(empty: Index) -> None:
    heading = Document("Salmon swim.\n\nThey return.", headings=(Heading(0, 1, "Salmon swim."),))
    context = Document("Salmon swim.\nSalmon swim.\n\nThey return.")
    rows = [DocumentRow(name, Origin.ADDED, b"", "text/1") for name in ("heading", "context")]
    with write_lock(empty.folder):
        empty.apply(Changes(put=list(zip(rows, (heading, context), strict=True))))

    found = {c.row.source: c for c in empty.candidates("salmon", 10)}

    chunks = [found[row.source].row.chunk for row in rows]
    assert chunks[0].embedding_text == chunks[1].embedding_text
    for candidate in found.values():
        spans = [(one.start, one.end) for one in candidate.sentences]
        assert spans == split_sentences(candidate.row.chunk.text)


def test_the_path_of_a_file_is_looked_for_too(empty: Index) -> None:
    rows = [
        DocumentRow("hr/ferias-2024_regras.md", Origin.FOLDER, b"", "text/1"),
        DocumentRow("zebra-note", Origin.ADDED, b"", "text/1"),
    ]
    with write_lock(empty.folder):
        empty.apply(Changes(put=[(row, Document("Nothing to see here.")) for row in rows]))

    def matching(question: str) -> set[str]:
        return {c.row.source for c in empty.candidates(question, 10) if c.lexical}

    assert matching("férias") == matching("2024 regras") == {"hr/ferias-2024_regras.md"}
    assert matching("md") == matching("zebra") == set()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        pytest.param("The cat sleeps on the roof.", "en", id="English"),
        pytest.param("O gato dorme no telhado da casa.", "pt", id="Portuguese"),
        pytest.param("Die Katze schläft auf dem Dach.", "de", id="German"),
        pytest.param("4711 0815", "und", id="none"),
    ],
)
def test_a_document_has_the_code_of_its_language(empty: Index, text: str, language: str) -> None:
    empty.add_texts([text], ids=["one"])

    assert [row.language for row in empty.documents(Origin.ADDED)] == [language]
    assert set(found(empty, "x", language=language)) == {"one#0"}


def test_candidates_are_the_best_of_each_side(index: Index) -> None:
    best = index.candidates("beija-flor", 1)

    assert max(best, key=lambda c: c.lexical).row.source == "birds"


@pytest.mark.parametrize(
    ("conditions", "sources"),
    [
        pytest.param({"source": "dogs"}, {"dogs#0"}, id="source"),
        pytest.param({"source": "[cd]ogs"}, {"dogs#0"}, id="brackets"),
        pytest.param({"source": "*s"}, {"cats#0", "dogs#0", "birds#0"}, id="pattern"),
        pytest.param({"language": "pt"}, {"birds#0"}, id="language"),
        pytest.param({"animal": "fish"}, {"fish#0"}, id="metadata"),
        pytest.param({"animal": "fish", "language": "pt"}, set(), id="both"),
        pytest.param({"no.such \"key'": "x"}, set(), id="odd key"),
    ],
)
def test_a_filter_is_applied_before_the_search(
    index: Index, conditions: dict[str, str], sources: set[str]
) -> None:
    assert set(found(index, "animals", **conditions)) == sources


def test_a_long_text_is_split_and_found_by_its_part(empty: Index) -> None:
    text = "Water boils at one hundred degrees. " * 60 + "The capital of Peru is Lima."
    empty.add_texts([text], [{"kind": "long"}], ids=["long"])

    hit = empty.similarity_search("What is the capital of Peru?", k=1)[0]

    assert "Lima" in hit.page_content
    assert text[hit.metadata["start"] : hit.metadata["end"]] == hit.page_content
    assert hit.metadata["kind"] == "long"
    assert empty.get_by_ids(["long"])[0].page_content == text


def test_no_chunk_is_larger_than_what_the_model_reads_behind_its_prompt(
    tmp_path: Path, embedding: EmbeddingModel
) -> None:
    titles = [f"Part {n} of the rules of the library and the museum" for n in range(2)]
    text = "\n\n".join(
        f"{title}\n\n"
        + f"A biblioteca abre às {n} horas e fecha às {n + 9}, exceto às sextas. " * 60
        for n, title in enumerate(titles)
    )
    headings = tuple(Heading(text.index(title), 1, title) for title in titles)
    with write_lock(tmp_path):
        index = Index.create(tmp_path, embedding, chunk_tokens=512)
        row = DocumentRow("rules.md", Origin.FOLDER, b"", "text/1")
        index.apply(Changes(put=[(row, Document(text, headings=headings))]))
        index.use()

    found = index.candidates("Quando abre a biblioteca?", 100)
    index.close()

    prompt = embedding.identity.document_prompt
    passages = [prompt + candidate.row.chunk.embedding_text for candidate in found]
    sizes = [len(embedding.tokenizer.encode(passage)) for passage in passages]
    assert 450 < max(sizes) <= embedding.identity.max_tokens == 512
    # A sentence that is not read has no direction.
    assert all(one.cosine > 0 for candidate in found for one in candidate.sentences)


def test_metadata_that_is_not_json_is_refused(empty: Index) -> None:
    with pytest.raises(UsageError, match="JSON"):
        empty.add_texts(["text"], [{"when": object()}], ids=["a"])
    assert empty.status().documents == 0


def test_an_index_that_grew_scores_like_one_made_at_once(
    index: Index, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    index.add_texts(["Cats are not dogs."], ids=["cats"])
    index.add_texts(["Cats and dogs and cats."], ids=["extra"])
    index.delete(["dogs"])
    folder = tmp_path / "other"
    with write_lock(folder):
        other = Index.create(folder, embedding, chunk_tokens=200)
        other.use()
    now = {**TEXTS, "cats": "Cats are not dogs.", "extra": "Cats and dogs and cats."}
    del now["dogs"]
    other.add_texts(list(now.values()), ids=list(now))

    assert found(index, "do cats like dogs?") == found(other, "do cats like dogs?")


def test_a_base_file_changes_no_result(
    index: Index, monkeypatch: pytest.MonkeyPatch, embedding: EmbeddingModel
) -> None:
    monkeypatch.setattr(snapshot, "TAIL_LIMIT", 2)
    before = found(index, "do dogs sleep?")
    index.tidy()
    assert [path.name for path in index.version.glob("base-*")] == ["base-1.bin"]
    reopened = Index.open(index.folder, embedding)

    assert found(index, "do dogs sleep?") == found(reopened, "do dogs sleep?") == before


def test_changes_after_the_base_are_searched(
    index: Index, monkeypatch: pytest.MonkeyPatch, embedding: EmbeddingModel
) -> None:
    monkeypatch.setattr(snapshot, "TAIL_LIMIT", 2)
    index.tidy()
    index.delete(["cats"])
    index.add_texts(["Cats purr."], ids=["purr"])
    reopened = Index.open(index.folder, embedding)
    assert [path.name for path in index.version.glob("base-*")] == ["base-1.bin"]

    assert set(found(index, "cats")) == {"dogs#0", "birds#0", "fish#0", "purr#0"}
    assert found(reopened, "cats") == found(index, "cats")


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b[:100] + b"x" + b[101:], lambda b: b""]
)
def test_a_damaged_base_file_is_made_up_for(
    index: Index, monkeypatch: pytest.MonkeyPatch, embedding: EmbeddingModel, spoil: object
) -> None:
    monkeypatch.setattr(snapshot, "TAIL_LIMIT", 2)
    before = found(index, "do dogs sleep?")
    index.tidy()
    base = index.version / "base-1.bin"
    base.write_bytes(spoil(base.read_bytes()))  # type: ignore[operator]

    assert found(Index.open(index.folder, embedding), "do dogs sleep?") == before


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("UPDATE chunks SET text = 'Lies.' WHERE id = 2", id="chunk"),
        pytest.param("UPDATE vectors SET vector = zeroblob(1536)", id="vector"),
        pytest.param("DELETE FROM vectors", id="no vectors"),
        pytest.param("UPDATE sentences SET vectors = zeroblob(396)", id="sentences"),
        pytest.param("UPDATE sentences SET text_hash = randomblob(16)", id="keys of sentences"),
        pytest.param("DELETE FROM sentences", id="no sentences"),
        pytest.param("UPDATE documents SET source = 'other' WHERE id = 1", id="source"),
        pytest.param("UPDATE state SET state = replace(state, '4', '5')", id="state"),
        pytest.param("DELETE FROM chunks WHERE id = 2", id="chunk gone"),
        pytest.param("DROP TABLE removed", id="table gone"),
    ],
)
def test_damaged_rows_are_refused(index: Index, embedding: EmbeddingModel, spoil: str) -> None:
    with sqlite3.connect(index.version / CATALOG) as connection:
        connection.execute(spoil)
    connection.close()

    with pytest.raises(IndexDamagedError, match="rag verify --repair"):
        Index.open(index.folder, embedding).candidates("cats", 10)


def test_a_catalog_that_is_no_database_is_refused(index: Index, embedding: EmbeddingModel) -> None:
    index.close()
    (index.version / CATALOG).write_bytes(b"not a database" * 1000)

    with pytest.raises(IndexDamagedError, match="rag verify --repair"):
        Index.open(index.folder, embedding)


def test_threads_ask_while_another_writes(index: Index) -> None:
    def ask(n: int) -> set[str]:
        return set(found(index, f"question {n}"))

    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(ask, range(80))
        for n in range(10):
            index.add_texts([f"Fact number {n}."], ids=[f"fact{n}"])
        generations = {frozenset(answer) for answer in answers}

    allowed = {
        frozenset({f"{name}#0" for name in TEXTS} | {f"fact{n}#0" for n in range(many)})
        for many in range(11)
    }
    assert generations <= allowed


def test_mmr_prefers_what_differs(index: Index) -> None:
    index.add_texts([TEXTS["cats"] + " Really."], ids=["again"])
    question = "How long do cats sleep?"

    alike = [d.metadata or d.id for d in index.similarity_search(question, k=2)]
    unlike = [d.id for d in index.max_marginal_relevance_search(question, k=2, lambda_mult=0.1)]

    assert len(alike) == 2
    assert not {"cats", "again"} <= set(unlike)


def test_deleting_all_leaves_an_index_that_answers_nothing(index: Index) -> None:
    index.delete()

    assert index.status().documents == index.status().chunks == 0
    assert index.similarity_search("cats") == []
    assert index.documents(Origin.ADDED) == []


def test_vectors_are_not_kept_for_texts_that_are_gone(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "TAIL_LIMIT", 0)
    index.delete(["cats", "dogs"])

    with sqlite3.connect(index.version / CATALOG) as connection:
        vectors = connection.execute("SELECT vector FROM vectors").fetchall()
        sentences = connection.execute("SELECT count(*) FROM sentences").fetchone()
    connection.close()
    assert sentences == (2,)
    assert len(vectors) == 2
    assert np.frombuffer(vectors[0][0], np.float32).shape == (384,)


def test_from_texts_takes_any_langchain_embeddings(
    tmp_path: Path, embedding: EmbeddingModel
) -> None:
    index = Index.from_texts(
        list(TEXTS.values()), embedding.embeddings, ids=list(TEXTS), folder=tmp_path / "new"
    )

    assert index.similarity_search("Which animal swims up rivers?", k=1)[0].id == "fish"
    assert index.status().embedding == embedding.name
    fake = Index.from_texts(
        ["A fox."], DeterministicFakeEmbedding(size=8), folder=tmp_path / "fake"
    )
    (fox,) = fake.candidates("foxes", 1)
    assert fake.status().embedding == "langchain:DeterministicFakeEmbedding"
    assert [(one.start, one.end) for one in fox.sentences] == [(0, 6)]
