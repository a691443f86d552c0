from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel

from ingest import (
    EmbeddingModel,
    IndexMissingError,
    IndexSettings,
    UsageError,
    export_langchain,
    import_langchain,
    open_index,
    sync_folder,
)
from ingest.embeddings.e5_folder import e5_folder

if TYPE_CHECKING:
    from langchain_community.vectorstores import FAISS

Write = Callable[[str, str], Path]

SAMPLES = Path(__file__).parents[3] / "data" / "documents"
QUESTIONS = (
    "Who published word2vec?",
    "Quando foi publicado o LoRA?",
    "How many tokens does all-MiniLM-L6-v2 read at most?",
    "Quanto ocupa um milhão de vetores?",
    "chocolate cake",
)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the sample documents, to be copied."""
    index = tmp_path_factory.mktemp("samples") / "index"
    sync_folder(IndexSettings(documents=SAMPLES, index=index))
    return index


@pytest.fixture
def samples(indexed: Path, tmp_path: Path) -> IndexSettings:
    """An index of the sample documents."""
    index = shutil.copytree(indexed, tmp_path / "index")
    return IndexSettings(documents=SAMPLES, index=index)


@pytest.fixture
def folder(samples: IndexSettings, tmp_path: Path) -> Path:
    """That index as a LangChain FAISS folder."""
    export_langchain(samples, tmp_path / "faiss")
    return tmp_path / "faiss"


@contextmanager
def deprecated() -> Iterator[None]:
    """Allow what the classic packages say of themselves, and nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`langchain-community` is being sunset")
        warnings.filterwarnings("ignore", r"(?s).*RetrievalQA.*deprecated")
        yield


def load(folder: Path, embeddings: Embeddings) -> FAISS:
    with deprecated():
        from langchain_community.vectorstores import FAISS
    return FAISS.load_local(str(folder), embeddings, allow_dangerous_deserialization=True)


def test_an_exported_folder_finds_the_same_chunks_in_the_same_order(
    samples: IndexSettings, folder: Path, embedding: EmbeddingModel
) -> None:
    store = load(folder, embedding.embeddings)
    with closing(open_index(samples)) as index:
        for question in QUESTIONS:
            ours = index.similarity_search_with_score(question, 10)
            theirs = store.similarity_search_with_score(question, 10)
            assert [found.id for found, _ in theirs] == [found.id for found, _ in ours]
            assert [found for found, _ in theirs] == [found for found, _ in ours]
            cosines = [1 - distance / 2 for _, distance in theirs]
            assert cosines == pytest.approx([cosine for _, cosine in ours], abs=1e-5)


def test_each_document_says_where_its_chunk_is(
    samples: IndexSettings, folder: Path, embedding: EmbeddingModel
) -> None:
    store = load(folder, embedding.embeddings)
    documents = [store.docstore.search(name) for name in store.index_to_docstore_id.values()]
    with closing(open_index(samples)) as index:
        assert len(documents) == index.status().chunks
        for document in documents:
            assert isinstance(document, Document)
            metadata = document.metadata
            assert {"source", "start", "end", "page", "headings"} <= metadata.keys()
            whole = index.document(metadata["source"])
            assert whole
            assert whole.text[metadata["start"] : metadata["end"]] == document.page_content


def test_the_vectors_are_those_of_the_index(
    samples: IndexSettings, folder: Path, embedding: EmbeddingModel
) -> None:
    store = load(folder, embedding.embeddings)
    documents = [store.docstore.search(name) for name in store.index_to_docstore_id.values()]
    texts = [
        "\n".join(filter(None, (" > ".join(d.metadata["headings"]), d.page_content)))
        for d in documents
        if isinstance(d, Document)
    ]
    made = embedding.embed_documents(texts)
    kept = store.index.reconstruct_n(0, store.index.ntotal)
    assert np.sum(made * kept, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-3)


def test_the_classic_three_lines_answer_from_an_exported_folder(
    folder: Path, embedding: EmbeddingModel
) -> None:
    with deprecated():
        from langchain_classic.chains import RetrievalQA

        store = load(folder, embedding.embeddings)
        llm = FakeListChatModel(responses=["Tomas Mikolov."])
        chain = RetrievalQA.from_chain_type(
            llm, retriever=store.as_retriever(), return_source_documents=True
        )
    answer = chain.invoke({"query": QUESTIONS[0]})
    assert answer["result"] == "Tomas Mikolov."
    assert "Word2vec was published in 2013" in answer["source_documents"][0].page_content


@pytest.mark.slow
def test_hugging_face_embeddings_of_the_same_weights_find_the_same_chunks(
    samples: IndexSettings, folder: Path
) -> None:
    from langchain_huggingface import HuggingFaceEmbeddings

    theirs = HuggingFaceEmbeddings(
        model_name=str(e5_folder()), query_encode_kwargs={"prompt": "query: "}
    )
    store = load(folder, theirs)
    with closing(open_index(samples)) as index:
        for question in QUESTIONS:
            ours = [found.id for found in index.similarity_search(question, 3)]
            assert [found.id for found in store.similarity_search(question, 3)] == ours


def test_an_export_replaces_no_store_without_force(samples: IndexSettings, folder: Path) -> None:
    (folder / "index.pkl").write_bytes(b"precious")
    with pytest.raises(UsageError, match="--force"):
        export_langchain(samples, folder)
    assert (folder / "index.pkl").read_bytes() == b"precious"

    done = export_langchain(samples, folder, force=True)
    assert sorted(path.name for path in folder.iterdir()) == ["index.faiss", "index.pkl"]
    assert done.bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_without_an_index_there_is_nothing_to_export(
    settings: IndexSettings, tmp_path: Path
) -> None:
    with pytest.raises(IndexMissingError):
        export_langchain(settings, tmp_path / "faiss")
    assert not (tmp_path / "faiss").exists()


def test_texts_and_metadata_are_imported_and_embedded_by_our_model(
    settings: IndexSettings, embedding: EmbeddingModel, tmp_path: Path
) -> None:
    with deprecated():
        from langchain_community.vectorstores import FAISS
    theirs = FAISS.from_texts(
        ["Cats sleep sixteen hours a day.", "Dogs bark."],
        _Strange(),
        [{"by": "Ana", "n": 1}, {"by": "Bob"}],
        ids=["cats", "dogs"],
    )
    theirs.save_local(str(tmp_path / "faiss"))

    done = import_langchain(settings, tmp_path / "faiss", trust_pickle=True)

    assert (done.documents, done.chunks) == (2, 2)
    with closing(open_index(settings)) as index:
        found, cosine = index.similarity_search_with_score("How long do cats sleep?", 1)[0]
        expected = embedding.embed_documents([found.page_content])[0]
        assert cosine == pytest.approx(
            float(expected @ embedding.embed_query("How long do cats sleep?")), abs=1e-3
        )
    assert (found.id, found.metadata) == ("cats", {"by": "Ana", "n": 1})


def test_an_import_adds_to_the_index_that_is_there(
    settings: IndexSettings, write: Write, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    write("birds.txt", "Birds sing.")
    sync_folder(settings)
    export_langchain(settings, tmp_path / "faiss")
    import_langchain(settings, tmp_path / "faiss", trust_pickle=True)
    assert import_langchain(settings, tmp_path / "faiss", trust_pickle=True).documents == 2

    assert sync_folder(settings).unchanged == 1
    with closing(open_index(settings)) as index:
        assert [d.id for d in index.get_by_ids(["birds.txt", "birds.txt#0"])] == [
            "birds.txt",
            "birds.txt#0",
        ]


class _Mine:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._path),)


def test_no_pickle_is_loaded_without_trust(settings: IndexSettings, tmp_path: Path) -> None:
    folder = tmp_path / "faiss"
    folder.mkdir()
    (folder / "index.faiss").touch()
    (folder / "index.pkl").write_bytes(pickle.dumps(_Mine(tmp_path / "owned")))

    with pytest.raises(UsageError, match=r"can run any code.*--trust-pickle"):
        import_langchain(settings, folder)

    assert not (tmp_path / "owned").exists()
    assert not settings.index.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({}, "is not a LangChain FAISS folder", id="an empty folder"),
        pytest.param(
            {"index.faiss": b"no index", "index.pkl": b"no pickle"},
            "can't be loaded: RuntimeError",
            id="a damaged folder",
        ),
    ],
)
def test_a_folder_that_is_none_changes_nothing(
    settings: IndexSettings, tmp_path: Path, content: dict[str, bytes], message: str
) -> None:
    (tmp_path / "faiss").mkdir()
    for name, written in content.items():
        (tmp_path / "faiss" / name).write_bytes(written)

    with pytest.raises(UsageError, match=message):
        import_langchain(settings, tmp_path / "faiss", trust_pickle=True)

    assert not settings.index.exists()


def test_metadata_that_is_no_json_is_named(settings: IndexSettings, tmp_path: Path) -> None:
    with deprecated():
        from langchain_community.vectorstores import FAISS
    FAISS.from_texts(["Cats sleep."], _Strange(), [{"when": object}], ids=["cats"]).save_local(
        str(tmp_path / "faiss")
    )

    with pytest.raises(UsageError, match="the metadata of cats must be JSON"):
        import_langchain(settings, tmp_path / "faiss", trust_pickle=True)


@pytest.mark.parametrize(
    "call", ["export_langchain(s, f)", "import_langchain(s, f, trust_pickle=1)"]
)
def test_a_missing_extra_names_the_command_that_installs_it(call: str) -> None:
    code = (
        "import sys; sys.modules['langchain_community'] = None\n"
        "from pathlib import Path; from ingest import *\n"
        "from ingest import export_langchain, import_langchain\n"
        "s, f = IndexSettings(), Path('nowhere')\n"
        f"try: {call}\nexcept MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "needs the extra 'compat': pip install 'langchain-classic>=" in done.stdout


class _Strange(Embeddings):
    """Vectors of another length than ours."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(len(text)), 1.0, 0.0]
