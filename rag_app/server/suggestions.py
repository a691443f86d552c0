"""Questions that a folder can answer, from the titles and headings of its documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

from ingest import Document, IndexedDocument
from rag_app.server.collections import Collection

_QUESTION = {
    "en": "What does “{title}” say about “{heading}”?",
    "pt": "O que “{title}” diz sobre “{heading}”?",
}
# Chosen by hand: documents that are looked at, and the longest heading that reads as a question.
_LOOKED_AT = 8
_LONGEST = 70


def suggested_questions(collection: Collection, language: str = "", most: int = 4) -> list[str]:
    """Return questions, each of another document first; none without an index.

    Those of documents in ``language`` come first.
    """
    listed = [one for one in collection.documents() if one.chunks]
    if not listed:
        return []
    looked_at = sorted(_spread(listed), key=lambda one: one.language != language)
    texts = collection.app.store.texts(one.source for one in looked_at)
    by_document = [
        list(_questions(one, texts[one.source])) for one in looked_at if one.source in texts
    ]
    in_turn = (question for turn in zip_longest(*by_document) for question in turn if question)
    return list(islice(dict.fromkeys(in_turn), most))


def _spread(listed: Sequence[IndexedDocument]) -> Sequence[IndexedDocument]:
    """Return a few documents from all over the folder."""
    return listed[:: -(-len(listed) // _LOOKED_AT) or 1]


def _questions(listed: IndexedDocument, document: Document) -> Iterator[str]:
    """Yield the headings that are questions, then questions about the other ones."""
    titles = (" ".join(heading.title.split()) for heading in document.headings)
    short = [title for title in titles if 0 < len(title) <= _LONGEST]
    yield from (title for title in short if title.endswith("?"))
    template = _QUESTION.get(listed.language)
    title = listed.title if 0 < len(listed.title) <= _LONGEST else ""
    if template:
        for heading in short:
            if title and heading != title and not heading.endswith("?"):
                yield template.format(title=title, heading=heading)
