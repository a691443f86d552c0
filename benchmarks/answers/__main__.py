"""Measure the extractive reader: does its answer hold what was asked, and does it decline?

    python -m benchmarks.answers --bench FOLDER [--fit | --ablate] [--json FILE]

Everything reported is of the odd questions; ``--fit`` chooses the reader's weights anew on the
even ones and writes them into the package, ``--ablate`` fits without one signal after the other and
prints what each set loses. Beside it stand naive picking (half the question's terms, half the
cosine, over four chunks), LangChain's classic four texts of 1,000 characters, and a plain threshold
on the cosine, with the same share of answers lost on the even questions. The sets across languages
are headings, not questions: they count little in the decision to answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.answers.calibration import (
    LOST,
    SENTENCE,
    SIGNALS,
    fit_answers,
    fit_sentences,
    write,
)
from benchmarks.answers.cases import Case, Cases, load_cases
from benchmarks.retrieval.datasets import ACROSS, load_dataset
from ingest import EmbeddingModel, IndexSettings, detect_language, embedding_model
from ingest.text.terms import content_terms, term_keys
from rag_app.evaluation.statistics import auroc
from rag_app.extractive.answerability import Calibration, calibration
from rag_app.extractive.selection import choose

# The answers of the first three stand in their texts, word for word.
SETS = ("xquad-en", "faquad", "office", "clapnq", *ACROSS)
SPANS = SETS[:3]
TABLE = Path(str(resources.files("rag_app.extractive") / "answerability.json"))
_NAIVE_CHUNKS = 4

Answer = Callable[[Case], str]


@dataclass(frozen=True, slots=True)
class Row:
    """How often an answer holds the gold answer, and its mean length in words."""

    dataset: str
    answer: str
    holds: float
    words: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """How well answerable questions are told from others, and what the threshold does."""

    dataset: str
    by: str
    auroc: float
    kept: float
    refused: float


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument("--fit", action="store_true", help="choose the weights anew")
    parser.add_argument("--ablate", action="store_true", help="show what each signal adds")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    cases: dict[str, Cases] = {}
    for name in SETS:
        print(f"{name}: asks", file=sys.stderr)
        cases[name] = load_cases(options.bench, name)
    if options.ablate:
        _print_ablation(cases)
        return
    if options.fit:
        cases = _fitted(cases)
    rows = [row for name in SPANS for row in _answers(options.bench, cases[name])]
    refusals = [one for name in SETS for one in _refusals(cases[name])]
    _print(rows, refusals)
    if options.json:
        figures = {"answers": rows, "refusals": refusals}
        records = {key: [asdict(one) for one in given] for key, given in figures.items()}
        options.json.write_text(json.dumps(records, indent=2))


def _fitted(cases: dict[str, Cases]) -> dict[str, Cases]:
    """Write new weights, and return the cases as they have them."""
    learned = [case for name in SPANS for case in cases[name].even.asked if case.answerable]
    sentence = fit_sentences(learned)
    weights = replace(calibration(), sentence=sentence)
    cases = {name: one.reranked(weights) for name, one in cases.items()}
    _use(fit_answers([one.even for one in cases.values()], sentence))
    return cases


def _print_ablation(cases: dict[str, Cases]) -> None:
    """Print what each set loses without one of the features or signals, fitted anew."""
    learned = [case for name in SPANS for case in cases[name].even.asked if case.answerable]
    print(f"| without, answers held | {' | '.join(SPANS)} |\n|{'---|' * (len(SPANS) + 1)}")
    for left_out in ("", *SENTENCE):
        kept = [name for name in SENTENCE if name != left_out]
        weights = replace(calibration(), sentence=fit_sentences(learned, kept))
        odd = [cases[name].reranked(weights).odd.asked for name in SPANS]
        held = [
            np.mean([one.holds_answer(_chosen(one)) for one in each if one.answerable])
            for each in odd
        ]
        print(f"| {left_out or 'nothing'} | {' | '.join(f'{one:.3f}' for one in held)} |")
    print(f"\n| without, AUROC | {' | '.join(cases)} |\n|{'---|' * (len(cases) + 1)}")
    for left_out in ("", *SIGNALS):
        kept = [name for name in SIGNALS if name != left_out]
        fitted = fit_answers([one.even for one in cases.values()], calibration().sentence, kept)
        values = [_auroc(one, fitted) for one in cases.values()]
        print(f"| {left_out or 'nothing'} | {' | '.join(f'{one:.3f}' for one in values)} |")


def _auroc(cases: Cases, fitted: Calibration) -> float:
    def score(case: Case) -> float:
        return fitted.probability(case.reading.signals)

    return _refusal(cases.name, "", _judged(cases), score, 0.0).auroc


def _use(fitted: Calibration) -> None:
    write(fitted, TABLE)
    calibration.cache_clear()


def _answers(bench: Path, cases: Cases) -> Iterable[Row]:
    odd = [case for case in cases.odd.asked if case.answerable]
    embedding = embedding_model(IndexSettings())
    naive = _naive(embedding)
    answers: dict[str, Answer] = {
        "ours, as answered": _answered,
        "ours, without the threshold": _chosen,
        "ours, best sentence": lambda case: _sentences(case, 1),
        "ours, best three": lambda case: _sentences(case, 3),
        "naive, best sentence": lambda case: naive(case, 1),
        "naive, best three": lambda case: naive(case, 3),
        "LangChain, four texts": _classic(bench, cases.name, embedding),
    }
    for name, answer in answers.items():
        texts = [answer(case) for case in odd]
        held = [case.holds_answer(text) for text, case in zip(texts, odd, strict=True)]
        words = [len(text.split()) for text in texts]
        yield Row(cases.name, name, float(np.mean(held)), float(np.mean(words)))


def _refusals(cases: Cases) -> Iterable[Refusal]:
    odd = _judged(cases)
    yield _refusal(cases.name, "ours", odd, lambda case: case.reading.margin, 0.0)
    cosines = [_cosine(case) for case in cases.even.asked if case.answerable]
    threshold = float(np.quantile(cosines, LOST))
    yield _refusal(cases.name, "cosine", odd, _cosine, threshold)


def _judged(cases: Cases) -> tuple[Case, ...]:
    """Return the odd cases: those as they were asked, if some of them have no answer."""
    has_both = any(not one.answerable for one in cases.asked)
    return cases.odd.asked if has_both else cases.odd.every


def _refusal(
    name: str, by: str, cases: Sequence[Case], score: Callable[[Case], float], threshold: float
) -> Refusal:
    positive = [score(case) for case in cases if case.answerable]
    negative = [score(case) for case in cases if not case.answerable]
    estimate = auroc(positive, negative)
    assert estimate.value is not None
    return Refusal(
        name,
        by,
        estimate.value,
        float(np.mean([one >= threshold for one in positive])),
        float(np.mean([one < threshold for one in negative])),
    )


def _cosine(case: Case) -> float:
    return max(chunk.dense for chunk in case.reading.chunks)


def _answered(case: Case) -> str:
    return _chosen(case) if case.reading.margin >= 0 else ""


def _chosen(case: Case) -> str:
    return " ".join(one.text for one in choose(case.reading.sentences))


def _sentences(case: Case, count: int) -> str:
    return " ".join(one.candidate.text for one in case.reading.sentences[:count])


def _naive(embedding: EmbeddingModel) -> Callable[[Case, int], str]:
    def naive(case: Case, count: int) -> str:
        language = detect_language(case.question)
        terms = content_terms(case.question, language).values()
        found = (one.candidate for one in case.reading.sentences)
        texts = [one.text for one in found if one.chunk < _NAIVE_CHUNKS]
        cosines = embedding.embed_documents(texts) @ embedding.embed_query(case.question)
        keys = [term_keys(text, language) for text in texts]
        held = [sum(not one.isdisjoint(term) for term in terms) for one in keys]
        order = np.argsort(-(np.array(held) / max(len(terms), 1) + cosines), kind="stable")
        return " ".join(texts[at] for at in order[:count])

    return naive


def _classic(bench: Path, name: str, embedding: EmbeddingModel) -> Answer:
    """Return the context that LangChain's tutorial gives to a model."""
    store = InMemoryVectorStore(embedding.embeddings)
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    texts = [text.text for text in load_dataset(bench, name).texts]
    store.add_documents(splitter.create_documents(texts))
    retriever = store.as_retriever(search_kwargs={"k": 4})
    return lambda case: " ".join(one.page_content for one in retriever.invoke(case.question))


def _print(rows: Sequence[Row], refusals: Sequence[Refusal]) -> None:
    print("| set | answer | holds the gold answer | words |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.dataset} | {row.answer} | {row.holds:.3f} | {row.words:.0f} |")
    print(
        "\n| set | refuses by | AUROC | answerable kept | others refused |\n|---|---|---|---|---|"
    )
    for one in refusals:
        figures = f"{one.auroc:.3f} | {one.kept:.3f} | {one.refused:.3f}"
        print(f"| {one.dataset} | {one.by} | {figures} |")


if __name__ == "__main__":
    main()
