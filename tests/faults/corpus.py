"""A folder of small documents, and what an index of it answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from ingest import EmbeddingModel, Index, IndexSettings, sync_folder
from ingest.embeddings import wrap_embeddings

WORDS = (
    "river stone cloud garden winter letter music engine forest bridge harbor copper silver "
    "rio pedra nuvem jardim inverno carta música motor floresta ponte porto cobre prata não".split()
)
QUESTIONS = ("river stone", "o jardim no inverno", "engine", "copper letter bridge", "música")

# A hit: source, start, end, text, cosine, BM25 score, and the cosines of its sentences.
Hits = list[tuple[str, int, int, str, float, float, *tuple[float, ...]]]


class WordEmbeddings(Embeddings):
    """Embeds a text as the sum of its words' random vectors: quick, exact, and no threads.

    The faults are about files and processes; forked processes can't share a real runtime.
    """

    dimension = 32

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vectors = [self._word(word) for word in text.lower().split()] or [self._word("")]
        return [float(number) for number in np.sum(vectors, axis=0)]

    def _word(self, word: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        seed = int.from_bytes(sha256(word.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).standard_normal(self.dimension)


def word_embedding() -> EmbeddingModel:
    """Return a quick embedding model, to replace the one that the settings name."""
    return wrap_embeddings(WordEmbeddings())


def write_documents(folder: Path, count: int, seed: int) -> None:
    """Write ``count`` text files; a seed gives the same texts again."""
    for n in range(count):
        write_document(folder / f"part{n % 3}" / f"document{n}.md", seed * 1000 + n)


def write_document(path: Path, seed: int) -> None:
    """Write one file of a few paragraphs under a heading."""
    choose = random.Random(seed)
    paragraphs = [
        " ".join(choose.choices(WORDS, k=choose.randint(5, 60))).capitalize() + "."
        for _ in range(choose.randint(1, 6))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join((f"# Document {seed}", *paragraphs)), encoding="utf-8")


def change_documents(folder: Path, seed: int) -> None:
    """Edit, delete, rename and add some of the files."""
    choose = random.Random(seed)
    paths = sorted(folder.rglob("*.md"))
    edited, deleted, renamed = choose.sample(paths, 3)
    write_document(edited, seed * 1000 + 501)
    deleted.unlink()
    renamed.rename(renamed.with_name(f"renamed{seed}.md"))
    for n in range(choose.randint(1, 4)):
        write_document(folder / f"added{seed}-{n}.md", seed * 1000 + 600 + n)


def answers(
    settings: IndexSettings, embedding: EmbeddingModel, questions: Sequence[str] = QUESTIONS
) -> list[Hits]:
    """Return every chunk of the index with its scores, for each question.

    Two indexes that return the same hold the same chunks and order them the same way.
    """
    index = Index.open(settings.index, embedding)
    try:
        return [hits(index, question) for question in questions]
    finally:
        index.close()


def clean_answers(settings: IndexSettings, embedding: EmbeddingModel, folder: Path) -> list[Hits]:
    """Return what an index made anew in ``folder`` from the same documents answers.

    ``ingest.sync.folder_sync.embedding_model`` must give ``embedding``.
    """
    fresh = settings.model_copy(update={"index": folder})
    sync_folder(fresh)
    return answers(fresh, embedding)


def hits(index: Index, question: str) -> Hits:
    candidates = index.candidates(question, 100_000)
    return sorted(
        (
            c.row.source,
            c.row.chunk.start,
            c.row.chunk.end,
            c.row.chunk.text,
            round(c.dense, 4),
            round(c.lexical, 4),
            *(round(sentence.cosine, 4) for sentence in c.sentences),
        )
        for c in candidates
    )
