"""What a program gives an index wrongly is one sentence of ours, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from ingest import EmbeddingModel, Index, UsageError
from ingest.types import Document as OurDocument

TEXTS = ["The depot opens at seven.", "Soup is served at noon."]
MADE = ["depot", "soup"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, embedding: EmbeddingModel) -> Index:
    """An index of two texts; only read it, or try to."""
    folder = tmp_path_factory.mktemp("arguments")
    facts = [{"kind": "place", "floor": 2}, {"kind": "meal"}]
    return Index.from_texts(TEXTS, embedding.embeddings, facts, ids=MADE, folder=folder / "i")


def one(text: str = "Tea.", **fields: Any) -> Document:
    return Document(page_content=text, **fields)


Call = Callable[[Any], object]
WRONG: dict[str, tuple[Call, str]] = {
    "one text": (lambda i: i.add_texts("Tea."), r"texts has to be a list, not 'Tea\.'"),
    "no texts": (lambda i: i.add_texts(None), "texts has to be a list, not None"),
    "a number": (lambda i: i.add_texts(["a", 7]), "number 2 of texts has to be a text, not 7"),
    "bytes": (lambda i: i.add_texts([b"a"]), "number 1 of texts has to be a text, not b'a'"),
    "half a character": (
        lambda i: i.add_texts(["tea \ud83d"]),
        "character 5 of number 1 of texts is no valid text",
    ),
    "too few facts": (
        lambda i: i.add_texts(["a", "b"], [{}]),
        "there are 1 metadatas for 2 texts: give one each",
    ),
    "too many facts": (lambda i: i.add_texts(["a"], [{}, {}]), "are 2 metadatas for 1 texts"),
    "one fact for all": (lambda i: i.add_texts(["a"], {"x": 1}), "metadatas has to be a list"),
    "a text as facts": (
        lambda i: i.add_texts(["a"], ["x"]),
        "number 1 of metadatas has to be a dictionary of names and values, not 'x'",
    ),
    "a number as name": (lambda i: i.add_texts(["a"], [{3: 1}]), "has to be a dictionary of names"),
    "no JSON": (lambda i: i.add_texts(["a"], [{"x": {1}}]), "must be JSON values"),
    "half a character in facts": (
        lambda i: i.add_texts(["a"], [{"x": "\udc00"}]),
        "must be JSON values",
    ),
    "too few ids": (lambda i: i.add_texts(["a", "b"], ids=["x"]), "are 1 ids for 2 texts"),
    "too many ids": (lambda i: i.add_texts(["a"], ids=["x", "y"]), "are 2 ids for 1 texts"),
    "one id": (lambda i: i.add_texts(["a"], ids="x"), "ids has to be a list, not 'x'"),
    "a number as id": (lambda i: i.add_texts(["a"], ids=[4]), "number 1 of ids has to be a text"),
    "an id twice": (lambda i: i.add_texts(["a", "b"], ids=["x", "x"]), "the id 'x' is given twice"),
    "documents of one id": (
        lambda i: i.add_documents([one(id="x"), one(id="x")]),
        "the id 'x' is given twice",
    ),
    "texts as documents": (lambda i: i.add_documents(["a"]), "a list of Document of langchain_"),
    "one document": (lambda i: i.add_documents(one()), "has to be a list of Document"),
    "our own documents": (
        lambda i: i.add_documents([OurDocument("a")]),
        "documents has to be a list of Document of langchain_core.documents",
    ),
    "ids of other documents": (
        lambda i: i.add_documents([one(), one()], ids=["x"]),
        "there are 1 ids for 2 texts",
    ),
    "delete one": (lambda i: i.delete("depot"), "ids has to be a list, not 'depot'"),
    "delete a number": (lambda i: i.delete([1]), "number 1 of ids has to be a text, not 1"),
    "get one": (lambda i: i.get_by_ids("depot"), "ids has to be a list, not 'depot'"),
    "get none": (lambda i: i.get_by_ids(None), "ids has to be a list, not None"),
    "query of nothing": (lambda i: i.similarity_search(None), "the query has to be a text"),
    "no chunks": (
        lambda i: i.similarity_search("tea", k=0),
        "k has to be a whole number of 1 or more, not 0",
    ),
    "less than none": (lambda i: i.similarity_search("tea", k=-3), "of 1 or more, not -3"),
    "half a chunk": (lambda i: i.similarity_search("tea", k=1.5), "of 1 or more, not 1.5"),
    "a word of chunks": (lambda i: i.similarity_search("tea", k="4"), "of 1 or more, not '4'"),
    "scores of none": (lambda i: i.similarity_search_with_score("tea", k=None), "not None"),
    "filter of a text": (
        lambda i: i.similarity_search("tea", filter="en"),
        r"a filter has to be a dictionary, as in \{'language': 'en'\}, not 'en'",
    ),
    "filter of a function": (lambda i: i.similarity_search("tea", filter=len), "has to be a dict"),
    "filter of a list": (
        lambda i: i.similarity_search("tea", filter={"kind": ["meal"]}),
        r"the filter's 'kind' has to be a text, not \['meal'\]",
    ),
    "short vector": (lambda i: i.similarity_search_by_vector([1.0, 2.0]), "is 384 finite numbers"),
    "vector of words": (lambda i: i.similarity_search_by_vector(["x"] * 384), "finite numbers"),
    "vector of nothing": (
        lambda i: i.similarity_search_by_vector([float("nan")] * 384),
        "finite numbers",
    ),
    "unlike none": (lambda i: i.max_marginal_relevance_search("tea", k=0), "k has to be a whole"),
    "of none fetched": (
        lambda i: i.max_marginal_relevance_search("tea", fetch_k=0),
        "fetch_k has to be a whole number",
    ),
    "more than unlike": (
        lambda i: i.max_marginal_relevance_search("tea", lambda_mult=2),
        "lambda_mult has to be a number from 0 to 1, not 2",
    ),
}


@pytest.mark.parametrize(("call", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_one_sentence_and_changes_nothing(
    index: Index, call: Call, said: str
) -> None:
    before = index.state()
    with pytest.raises(UsageError, match=said) as caught:
        call(index)
    assert "\n" not in str(caught.value)
    assert index.state() == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"texts": "Tea."}, "texts has to be a list", id="text"),
        pytest.param({"metadatas": [{}, {}]}, "are 2 metadatas for 1 texts", id="facts"),
        pytest.param({"ids": []}, "are 0 ids for 1 texts", id="ids"),
        pytest.param({"embedding": "bundled:e5"}, "has to be LangChain embeddings", id="embedding"),
        pytest.param({"chunk_tokens": 0}, "chunk_tokens has to be a whole number", id="chunks"),
        pytest.param({"folder": 5}, "folder has to be a path, not 5", id="folder"),
    ],
)
def test_an_index_of_wrong_values_is_not_made(
    values: dict[str, Any], said: str, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    right = {"texts": ["Tea."], "embedding": embedding.embeddings, "folder": tmp_path / "i"}
    with pytest.raises(UsageError, match=said):
        Index.from_texts(**right | values)
    assert not (tmp_path / "i").exists()


def test_what_is_unknown_is_left_out(index: Index) -> None:
    assert [found.id for found in index.get_by_ids(["depot", "nobody"])] == ["depot"]
    before = index.state()
    assert index.delete(["nobody"]) is True
    assert index.state().documents == before.documents
    assert index.similarity_search("depot", filter={"kind": "nothing"}) == []


def test_a_number_in_a_filter_is_a_value(index: Index) -> None:
    assert [found.id for found in index.similarity_search("tea", filter={"floor": 2})] == ["depot"]


def test_a_filter_of_what_no_document_has_is_named(index: Index) -> None:
    with pytest.raises(UsageError, match=r"nothing in the index has 'kin' .* you mean 'kind'\?"):
        index.checked_filter({"kin": "meal"})
    assert index.checked_filter({"kind": "meal", "source": "x"}) == {"kind": "meal", "source": "x"}
    assert index.checked_filter(None) is None
