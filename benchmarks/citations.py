"""Check every citation of every answer on public sets: is the quote the document's very text?

    python -m benchmarks.citations --bench FOLDER [--sets A,B]

Answers are extractive. Counted are citations whose quote is not the text between their offsets,
citations on a page that the document doesn't have there, and markers that no citation has.
"""

from __future__ import annotations

import argparse
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from benchmarks.retrieval.datasets import SETS, load_dataset
from benchmarks.retrieval.rag import Rag
from ingest import Index
from rag_app import Answer, retrieval_qa
from rag_app.extractive.chat_model import ExtractiveChatModel

_TOP_K = 5
_MARKER = re.compile(r"\[(\d+)\]")


@dataclass(slots=True)
class Count:
    """What was found of a set."""

    answers: int = 0
    abstained: int = 0
    citations: int = 0
    wrong_quotes: int = 0
    wrong_pages: int = 0
    stray_markers: int = 0

    def add(self, answer: Answer, index: Index) -> None:
        """Check the citations of an answer."""
        self.answers += 1
        self.abstained += answer.abstained
        for citation in answer.citations:
            self.citations += 1
            document = index.document(citation.source)
            assert document is not None
            quoted = document.text[citation.start : citation.end]
            self.wrong_quotes += quoted != citation.quote
            self.wrong_pages += citation.page != (
                bisect_right(document.pages, citation.start) or None
            )
        # The documents may hold such markers themselves, as Wikipedia's references do.
        own = _MARKER.findall(" ".join(citation.quote for citation in answer.citations))
        known = {*own, *(str(citation.n) for citation in answer.citations)}
        self.stray_markers += sum(n not in known for n in _MARKER.findall(answer.text))


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument("--sets", default=",".join(SETS), help=", ".join(SETS))
    options = parser.parse_args()
    print("| set | answers | abstained | citations | wrong quotes | wrong pages | stray markers |")
    print("|---|---|---|---|---|---|---|")
    for name in options.sets.split(","):
        count = check(options.bench, name)
        figures = (getattr(count, field) for field in Count.__slots__)
        print(f"| {name} | {' | '.join(map(str, figures))} |", flush=True)


def check(bench: Path, name: str) -> Count:
    """Return the count of a set."""
    dataset = load_dataset(bench, name)
    rag = Rag()
    rag.index(dataset)
    retriever = rag.retriever.model_copy(update={"k": _TOP_K})
    chain = retrieval_qa(retriever, ExtractiveChatModel(embedding=retriever.index.embedding))
    count = Count()
    for question in dataset.questions:
        count.add(chain.invoke(question.text), retriever.index)
    return count


if __name__ == "__main__":
    main()
