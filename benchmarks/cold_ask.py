"""Time one question from a cold start: `rag ask` beside the classic LangChain script.

    python -m benchmarks.cold_ask [--runs 5]

The classic script is HuggingFaceEmbeddings + FAISS.load_local + RetrievalQA over the same documents
and the same weights, those of our default embedding model as float32. Its language model is a stub
that answers at once, so that only the road to it is timed. Both are whole processes, run in turn;
the ratio of each pair is what counts, in seconds on the clock and of all processors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import alternate, median_ratio
from ingest import IndexSettings, open_index, sync_folder
from ingest.embeddings.bundled import E5
from ingest.embeddings.e5_folder import e5_folder

QUESTION = "How many tokens does all-MiniLM-L6-v2 read at most?"
DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"

CLASSIC = """
import sys
from langchain_classic.chains import RetrievalQA
from langchain_community.vectorstores import FAISS
from langchain_core.language_models import FakeListLLM
from langchain_huggingface import HuggingFaceEmbeddings

weights, prompt, folder, question = sys.argv[1:]
embeddings = HuggingFaceEmbeddings(model_name=weights, query_encode_kwargs={"prompt": prompt})
store = FAISS.load_local(folder, embeddings, allow_dangerous_deserialization=True)
llm = FakeListLLM(responses=["an answer"])
chain = RetrievalQA.from_chain_type(llm, retriever=store.as_retriever())
print(chain.invoke(question)["result"])
"""


def main() -> None:
    """Print the seconds of both and their ratio, pair by pair."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--runs", type=int, default=5, help="pairs that count, after one that warms"
    )
    runs = parser.parse_args().runs
    with TemporaryDirectory() as folder:
        ours, classic = alternate(runs, *prepare(Path(folder)))
    for kind in ("wall", "cpu"):
        pairs = [(getattr(a, kind), getattr(b, kind)) for a, b in zip(ours, classic, strict=True)]
        for mine, theirs in pairs:
            print(
                f"{kind:4}  rag ask {mine:6.2f} s    classic {theirs:6.2f} s    "
                f"ratio {mine / theirs:.3f}"
            )
        print(f"{kind:4}  median ratio {median_ratio(*zip(*pairs, strict=True)):.3f}")


def prepare(folder: Path) -> tuple[list[str], list[str]]:
    """Index the sample documents both ways; return the two commands."""
    settings = IndexSettings(documents=DOCUMENTS, index=folder / "index")
    sync_folder(settings)
    index = open_index(settings)
    texts = [candidate.row.chunk.text for candidate in index.candidates(QUESTION, 10_000)]
    weights, store = str(e5_folder()), str(folder / "classic")
    save_classic(texts, weights, store)
    rag = Path(sys.executable).with_name("rag")
    ours = [str(rag), "ask", QUESTION, "--index", str(settings.index)]
    return ours, [sys.executable, "-c", CLASSIC, weights, E5.query_prompt, store, QUESTION]


def save_classic(texts: list[str], weights: str, folder: str) -> None:
    """Save a FAISS folder as the classic script would."""
    from langchain_community.vectorstores import FAISS
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(
        model_name=weights, encode_kwargs={"prompt": E5.document_prompt}
    )
    FAISS.from_texts(texts, embeddings).save_local(folder)


if __name__ == "__main__":
    main()
