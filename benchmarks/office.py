"""Ask the questions of the office folders as a person would, and judge the answers by kind.

    python -m benchmarks.office --bench FOLDER [--half odd|even|all] [--answers FILE] [--save FILE]

Each question is asked of one index over all folders; a follow-up after the questions before it.
Beside the answers stand what would be right without the threshold, and naive picking: the best
three sentences of four chunks by half the question's terms and half the cosine. The odd questions
are those that no weight was chosen on. ``--answers`` judges the lines that another version or
another tool wrote with ``--save``: ``{"_id", "text", "declined"}``. An answer is judged as the
set's own README says.
"""

from __future__ import annotations

import argparse
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieval.datasets import load_dataset, read_rows
from benchmarks.retrieval.rag import Rag, index_folder
from ingest import detect_language
from ingest.text.terms import content_terms, term_keys
from rag_app.app import RagApp
from rag_app.attribution.quotes import MARKER
from rag_app.conversation import Condensed
from rag_app.evaluation.statistics import auroc
from rag_app.extractive.selection import choose, read
from rag_app.types import Answer, Retrieved, ScoredChunk

_NAIVE_CHUNKS = 4
_NAIVE_SENTENCES = 3

_NUMBER_WORDS = {
    word: str(number)
    for number, words in enumerate(
        "two dois duas,three tres,four quatro,five cinco,six seis,seven sete,eight oito,nine nove,"
        "ten dez,eleven onze,twelve doze".split(","),
        2,
    )
    for word in words.split()
}
_OPENING = {"yes": r"(yes|sim)\b", "no": r"(no|nao)\b"}


def right(row: Mapping[str, Any], text: str) -> bool:
    """Return whether a text answers an answerable question: holds what is accepted, all if so."""
    held = [_holds(text, answer) for answer in row["answers"]]
    if row.get("all"):
        return all(held)
    if any(held) or any(_holds(text, other) for other in row.get("also", ())):
        return True
    return bool(row.get("yes_no") and re.match(_OPENING[row["yes_no"]], _fold(text)))


def _holds(text: str, wanted: str) -> bool:
    """Return whether no letter or figure continues what is wanted: 30 days is not in 130 days."""
    pattern = rf"(?<![^\W_])(?<!\d[.,]){re.escape(_fold(wanted))}(?![^\W_])(?![.,]\d)"
    return re.search(pattern, _fold(text)) is not None


def _fold(text: str) -> str:
    """Return a text without case, accents, number words, ``,00``, and spaces in R$ 5 and 5 %."""
    plain = unicodedata.normalize("NFKD", text.replace("−", "-").replace("’", "'").casefold())
    plain = " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
    plain = re.sub(r"[a-z]+", lambda word: _NUMBER_WORDS.get(word[0], word[0]), plain)
    return re.sub(
        r"(?<=\d)[.,]0{1,2}(?!\d)", "", re.sub(r"(?<=\d) (?=%)|(?<=\$) (?=\d)", "", plain)
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """How a question went.

    Attributes:
        row: The question's line in the set.
        text: The answer, without its markers.
        declined: Whether it was said that there is none, or none that is sure.
        confidence: The probability of an answer, as the reader sees it.
        without_threshold: What would have been answered whatever the confidence.
        naive: What naive picking answers.
        found: The text of the chunks.
    """

    row: Mapping[str, Any]
    text: str
    declined: bool
    confidence: float = 0.0
    without_threshold: str = ""
    naive: str = ""
    found: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the answer is right; to decline is, where there is none."""
        if self.row["answerable"]:
            return not self.declined and right(self.row, self.text)
        return self.declined


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.office")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument("--half", choices=("odd", "even", "all"), default="odd")
    parser.add_argument("--answers", type=Path, help="judge these answers instead of asking")
    parser.add_argument("--save", type=Path, help="write the answers to this file")
    options = parser.parse_args(arguments)
    rows = read_rows(options.bench / "office" / "queries.jsonl")
    rows = {"odd": rows[1::2], "even": rows[::2], "all": rows}[options.half]
    if options.answers:
        given = {line["_id"]: line for line in read_rows(options.answers)}
        asked = [
            Asked(row, given[row["_id"]]["text"], given[row["_id"]]["declined"]) for row in rows
        ]
    else:
        asked = list(ask(options.bench, rows))
    _print(asked)
    if options.save:
        lines = (
            {"_id": one.row["_id"], "text": one.text, "declined": one.declined} for one in asked
        )
        options.save.write_text(
            "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        )


def ask(bench: Path, rows: Iterable[Mapping[str, Any]]) -> Iterator[Asked]:
    """Yield how each question went."""
    dataset = load_dataset(bench, "office")
    Rag().index(dataset)
    app = RagApp(index=index_folder(dataset), documents=dataset.documents)
    for row in rows:
        chat = app.chat()
        for before in row.get("before", ()):
            chat.ask(before)
        question, chunks = row["text"], ()
        for event in chat.stream(question):
            match event:
                case Condensed():
                    question = event.question
                case Retrieved():
                    chunks = event.chunks
                case Answer():
                    answer = event
        reading = read(question, chunks, app.embedding)
        assert reading
        yield Asked(
            row,
            MARKER.sub("", answer.text),
            answer.abstained,
            reading.confidence,
            " ".join(one.text for one in choose(reading.sentences)),
            _naive(question, chunks, app),
            " ".join(chunk.text for chunk in chunks),
        )


def _naive(question: str, chunks: Sequence[ScoredChunk], app: RagApp) -> str:
    language = detect_language(question)
    terms = content_terms(question, language).values()
    scored = []
    for chunk in chunks[:_NAIVE_CHUNKS]:
        for sentence in chunk.sentences:
            text = chunk.text[sentence.start : sentence.end]
            keys = term_keys(text, language)
            held = sum(not keys.isdisjoint(term) for term in terms)
            scored.append((held / max(len(terms), 1) + sentence.cosine, text))
    scored.sort(key=lambda one: -one[0])
    return " ".join(text for _, text in scored[:_NAIVE_SENTENCES])


def _print(asked: Sequence[Asked]) -> None:
    groups: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        for name in (one.row["kind"], f"language {one.row['language']}", _side(one)):
            groups[name].append(one)
    head = "kind, questions, right, wrong, declined, right without threshold, naive, in five, words"
    print(f"| {head.replace(', ', ' | ')} |\n|{'---|' * len(head.split(', '))}")
    for name, group in groups.items():
        print(f"| {name} | {' | '.join(_figures(group))} |")
    known = [one.confidence for one in asked if one.row["answerable"]]
    others = [one.confidence for one in asked if not one.row["answerable"]]
    if any(known):
        print(f"\nAUROC of the confidence: {auroc(known, others).value:.3f}")


def _side(one: Asked) -> str:
    return "all answerable" if one.row["answerable"] else "all not answerable"


def _figures(group: Sequence[Asked]) -> Iterator[str]:
    answered = [one for one in group if not one.declined]
    known = [one for one in group if one.row["answerable"]]
    yield str(len(group))
    yield str(sum(one.is_right for one in group))
    yield str(sum(not one.is_right for one in answered))
    yield str(len(group) - len(answered))
    for texts in ("without_threshold", "naive", "found"):
        held = sum(right(one.row, getattr(one, texts)) for one in known)
        yield str(held) if any(one.found for one in group) else "-"
    words = [len(one.text.split()) for one in answered]
    yield f"{np.mean(words):.0f}" if words else "-"


if __name__ == "__main__":
    main()
