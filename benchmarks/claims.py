"""Measure whether a claim is verified if, and only if, the given text says so.

    python -m benchmarks.claims --bench FOLDER [--each 50] [--wrong]
    python -m benchmarks.claims --bench FOLDER --forms

Claims of six kinds are made by rule from the public sets, the same every time: sentences word for
word, sentences in other words (by rule, and what people wrote for ClapNQ), and four kinds that the
text does not hold: with a wrong number, with a wrong name, negated, and true of another document
only. Each is checked against the text it was made from and the four texts nearest to it by their
words, as a search would give them; a claim of another document against the five nearest alone.
The app's rules were made looking at other claims (another seed), but for two, texts without
capitals and "not so", which were seen in these; "odd" is every second claim.

With ``--forms``, every claim is judged again as models dress their sentences: in a list, bold,
behind a label or a lead-in, between talk, with its marker in other styles.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path

from rapidfuzz import fuzz

from benchmarks.retrieval.datasets import Text, load_dataset, read_rows
from benchmarks.rewrites import affirm, negate, oppose, paraphrase
from ingest import Language, split_sentences
from ingest.text.terms import fold, is_stopword, term_keys, words
from rag_app.attribution.citations import cite
from rag_app.types import ScoredChunk

TRUE_KINDS = ("quote", "paraphrase")
FALSE_KINDS = ("wrong number", "wrong name", "negated", "other document")
KINDS = (*TRUE_KINDS, *FALSE_KINDS)
SETS: Mapping[str, Language] = {"xquad-en": "en", "clapnq": "en", "faquad": "pt"}
FORMS: Mapping[str, Mapping[Language, str]] = {
    "plain": {"en": "{}", "pt": "{}"},
    "numbered": {"en": "1. {} [1]", "pt": "1. {} [1]"},
    "lettered": {"en": "a) {} [1]", "pt": "a) {} [1]"},
    "bullet, bold": {"en": "- **{}** [1]", "pt": "- **{}** [1]"},
    "step": {"en": "Step 2: {} [1]", "pt": "Passo 2: {} [1]"},
    "label": {"en": "**Answer:** {} [1]", "pt": "**Resposta:** {} [1]"},
    "lead-in": {
        "en": "Based on the provided context, {} [1]",
        "pt": "Com base no contexto fornecido, {} [1]",
    },
    "report": {"en": "The document states that {} [1]", "pt": "O documento afirma que {} [1]"},
    "by its number": {"en": "According to [1], {} [1]", "pt": "De acordo com [1], {} [1]"},
    "heading": {"en": "### Answer\n\n{} [1]", "pt": "### Resposta\n\n{} [1]"},
    "closing": {
        "en": "{} [1]\n\nI hope this helps! Let me know if you have any questions.",
        "pt": "{} [1]\n\nEspero ter ajudado! Se tiver outra dúvida, é só perguntar.",
    },
    "lens": {"en": "{}【1†source】", "pt": "{}【1†source】"},
    "labelled marker": {"en": "{} (Source 1)", "pt": "{} (Fonte 1)"},
}
_SEED = 1  # the rules of the app were made looking at claims of another
_GIVEN = 5
_COPY = 80
_LEAST_CHANGES: Mapping[Language, int] = {"en": 2, "pt": 1}
_NUMBER = re.compile(r"(?<![\w.,/-])\d+(?:[.,]\d+)*(?![\w/-]|[.,]\d)")
_NAME = re.compile(r"(?<=[a-z,] )[A-ZÀ-Ý][\w'-]+(?: (?:of |de |da |do )?[A-ZÀ-Ý][\w'-]+)*")
_BEGINS = re.compile(r"[\"“'‘`(]*[A-ZÀ-Ý0-9]")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence and the chunks it is checked against.

    Attributes:
        kind: One of `KINDS`.
        dataset: The set it was made from.
        text: The sentence.
        original: What it was made from.
        chunks: What a search would have given.
    """

    kind: str
    dataset: str
    text: str
    original: str
    chunks: tuple[ScoredChunk, ...]

    @property
    def verified(self) -> bool:
        """Whether `cite` finds a quote for every sentence of the claim."""
        return self.verified_as("{}")

    def verified_as(self, form: str) -> bool:
        """Return whether it is verified in a form, which has its place as ``{}``."""
        # A lead-in goes on in small letters, unless a name follows.
        first = self.text.partition(" ")[0]
        goes_on = form.endswith((", {} [1]", "that {} [1]", "que {} [1]"))
        small = goes_on and is_stopword(first, SETS[self.dataset])
        text = self.text[0].lower() + self.text[1:] if small else self.text
        cited = cite(form.format(text), self.chunks)
        return not cited.unsupported and any(one.verified for one in cited.citations)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--each", type=int, default=50, help="claims of each kind")
    parser.add_argument("--wrong", action="store_true", help="print the claims judged wrongly")
    parser.add_argument("--forms", action="store_true", help="judge the claims in every form")
    options = parser.parse_args(arguments)
    if options.forms:
        print(table_of_forms(make_claims(options.bench, options.each)))
        return
    judged = [(claim, claim.verified) for claim in make_claims(options.bench, options.each)]
    print(table(judged))
    for claim, verified in judged if options.wrong else ():
        if verified != (claim.kind in TRUE_KINDS):
            print(f"\n{claim.kind}, {claim.dataset}\n  {claim.text}\n  {claim.original}")
            for citation in cite(claim.text, claim.chunks).citations:
                print("   >", citation.score, citation.quote)


def make_claims(bench: Path, each: int = 50) -> list[Claim]:
    """Return ``each`` claims of every kind, the sets taking turns."""
    makers = [_Maker(bench, name, language) for name, language in SETS.items()]
    claims: list[Claim] = []
    for kind in KINDS:
        turns = chain.from_iterable(zip_longest(*(maker.claims(kind) for maker in makers)))
        claims += islice((claim for claim in turns if claim), each)
    return claims


def held_out(judged: Iterable[tuple[Claim, bool]]) -> list[tuple[Claim, bool]]:
    """Return every second claim of each kind and set."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for claim, verified in judged:
        seen[claim.kind, claim.dataset] += 1
        if seen[claim.kind, claim.dataset] % 2 == 0:
            kept.append((claim, verified))
    return kept


def precision(judged: Iterable[tuple[Claim, bool]]) -> float:
    """Return the share of the verified claims that are true."""
    true = [claim.kind in TRUE_KINDS for claim, verified in judged if verified]
    return sum(true) / len(true) if true else math.nan


def recall(judged: Iterable[tuple[Claim, bool]], kinds: Sequence[str] = TRUE_KINDS) -> float:
    """Return the share of the claims of ``kinds`` that are verified."""
    found = [verified for claim, verified in judged if claim.kind in kinds]
    return sum(found) / len(found) if found else math.nan


def table(judged: Sequence[tuple[Claim, bool]]) -> str:
    """Return the share verified of each kind by language, then precision and recall."""
    odd = held_out(judged)
    columns = [
        [one for one in judged if SETS[one[0].dataset] == "en"],
        [one for one in judged if SETS[one[0].dataset] == "pt"],
        list(judged),
        odd,
    ]
    lines = [f"{len(judged)} claims{'':18}en      pt     all     odd"]
    rows: list[tuple[str, Callable[[Sequence[tuple[Claim, bool]]], float]]] = [
        *((f"verified, {kind}", partial(recall, kinds=[kind])) for kind in KINDS),
        ("precision of verified", precision),
        ("recall of true claims", recall),
    ]
    for name, metric in rows:
        lines.append(f"{name:<26}" + "".join(f"{metric(column):8.3f}" for column in columns))
    return "\n".join(lines)


def table_of_forms(claims: Sequence[Claim]) -> str:
    """Return precision and recall of the claims in each of the `FORMS`, all and odd."""
    lines = [f"{len(claims)} claims{'':10}precision  recall   odd: precision  recall"]
    for form, texts in FORMS.items():
        judged = [(one, one.verified_as(texts[SETS[one.dataset]])) for one in claims]
        odd = held_out(judged)
        lines.append(
            f"{form:<21}{precision(judged):9.3f}{recall(judged):8.3f}"
            f"{precision(odd):17.3f}{recall(odd):8.3f}"
        )
    return "\n".join(lines)


class _Maker:
    """The claims of one set, kind by kind, in an order that only depends on their text."""

    def __init__(self, bench: Path, name: str, language: Language) -> None:
        self._name = name
        self._language = language
        dataset = load_dataset(bench, name)
        self._texts = {(text.source, text.start): text for text in dataset.pieces}
        self._nearest = _Nearest(self._texts, language)
        self._written = _written(bench / name / "queries.jsonl") if name == "clapnq" else []
        self._names = sorted({name for text in dataset.pieces for name in _NAME.findall(text.text)})
        sentences = (
            (sentence, place)
            for place, text in self._texts.items()
            for sentence in _whole_sentences(text.text)
        )
        self._sentences = sorted(dict(sentences).items(), key=lambda one: _shuffled(one[0]))

    def claims(self, kind: str) -> Iterator[Claim]:
        """Yield the claims of one kind; no sentence serves two kinds."""
        own = (one for one in self._sentences if self._serves(one[0], kind))
        if kind == "paraphrase" and self._written:
            own = chain.from_iterable(zip(self._written, own, strict=False))  # type: ignore[assignment]
        for sentence, place in own:
            chunks = self._nearest.chunks(place, with_own=kind != "other document")
            text = self._said(sentence, kind, chunks)
            if text and not (kind == "other document" and _is_in(sentence, chunks)):
                yield Claim(kind, self._name, text, sentence, chunks)

    def _serves(self, sentence: str, kind: str) -> bool:
        return KINDS[int(_shuffled(sentence + "kind")[:8], 16) % len(KINDS)] == kind

    def _said(self, sentence: str, kind: str, chunks: Sequence[ScoredChunk]) -> str | None:
        """Return the claim that ``kind`` makes of a sentence, or None if its rules don't apply."""
        match kind:
            case "paraphrase":
                if any(sentence is written for written, _ in self._written):
                    return sentence
                said, changed = paraphrase(sentence, self._language)
                return said if changed >= _LEAST_CHANGES[self._language] else None
            case "wrong number":
                return _other_number(self._reworded(sentence), chunks)
            case "wrong name":
                return self._other_name(sentence, self._reworded(sentence), chunks)
            case "negated":
                return self._contradicted(sentence)
        return sentence

    def _reworded(self, sentence: str) -> str:
        """Return half of the sentences in other words."""
        return paraphrase(sentence, self._language)[0] if _coin(sentence) else sentence

    def _contradicted(self, sentence: str) -> str | None:
        rules = [affirm, oppose, negate] if _coin(sentence) else [affirm, negate, oppose]
        said = (rule(sentence, self._language) for rule in rules)
        return next((one for one in said if one != sentence), None)

    def _other_name(
        self, original: str, sentence: str, chunks: Sequence[ScoredChunk]
    ) -> str | None:
        """Return the sentence with a name of the same text for one of its own, else of the set."""
        if not (match := _NAME.search(sentence)):
            return None
        own = set(map(fold, words(original)))
        near: list[str] = _NAME.findall(chunks[0].text)
        far: list[str] = sorted(self._names, key=lambda name: _shuffled(sentence + name))
        for other in (*near, *far):
            if own.isdisjoint(map(fold, words(other))) and _differ(match[0], other):
                return f"{sentence[: match.start()]}{other}{sentence[match.end() :]}"
        return None


class _Nearest:
    """Finds the texts that share the most and the rarest words with one of them."""

    def __init__(self, texts: Mapping[tuple[str, int], Text], language: Language) -> None:
        self._texts = texts
        self._keys = {place: term_keys(text.text, language) for place, text in texts.items()}
        self._holding: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for place, keys in self._keys.items():
            for key in sorted(keys):
                self._holding[key].append(place)

    def chunks(self, place: tuple[str, int], *, with_own: bool) -> tuple[ScoredChunk, ...]:
        shared: Counter[tuple[str, int]] = Counter()
        for key in sorted(self._keys[place]):
            places = self._holding[key]
            for other in places:
                shared[other] += math.log(len(self._texts) / len(places))  # type: ignore[assignment]
        del shared[place]
        others = [other for other, _ in shared.most_common(_GIVEN - with_own)]
        return tuple(_chunk(self._texts[one]) for one in [place] * with_own + others)


def _whole_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of 8 to 40 words that begin and end as sentences do."""
    for start, end in split_sentences(text):
        sentence = text[start:end]
        if _BEGINS.match(sentence) and sentence.endswith(".") and 8 <= len(words(sentence)) <= 40:
            yield sentence


def _written(path: Path) -> list[tuple[str, tuple[str, int]]]:
    """Return the sentences of the answers that people wrote from one passage, with its place."""
    questions = read_rows(path)
    sentences = (
        (sentence, (question["source"], 0))
        for question in questions
        if question["answerable"]
        for sentence in _whole_sentences(question["answers"][0])
    )
    return sorted(sentences, key=lambda one: _shuffled(one[0]))


def _other_number(sentence: str, chunks: Sequence[ScoredChunk]) -> str | None:
    """Return the sentence with a number of the same text for one of its own, else a near one."""
    numbers: list[str] = _NUMBER.findall(sentence)
    if not numbers:
        return None
    wrong, own = numbers[-1], {number.replace(",", "") for number in numbers}
    near = (other for other in _NUMBER.findall(chunks[0].text) if len(other) == len(wrong))
    next_number = wrong[:-1] + str((int(wrong[-1]) + 3) % 10)
    other = next((n for n in near if n.replace(",", "") not in own), next_number)
    start = sentence.rindex(wrong)
    return sentence[:start] + other + sentence[start + len(wrong) :]


def _differ(name: str, other: str) -> bool:
    """Return whether two names are of different things: not CPU, CPUs; TI, Tecnologia da..."""
    short, long = sorted((name, other), key=len)
    begin, begin_other = ({fold(word)[:3] for word in words(one)} for one in (name, other))
    initials = "".join(letter for letter in long if letter.isupper())
    says_something = any(not is_stopword(word, "en") for word in words(other))
    return begin.isdisjoint(begin_other) and initials != short and says_something


def _is_in(sentence: str, chunks: Iterable[ScoredChunk]) -> bool:
    """Return whether a chunk holds the sentence or nearly so: some passages are copies."""
    return any(fuzz.partial_ratio(fold(sentence), fold(chunk.text)) >= _COPY for chunk in chunks)


def _chunk(text: Text) -> ScoredChunk:
    return ScoredChunk(text.text, text.source, text.start, text.start + len(text.text))


def _coin(text: str) -> bool:
    return int(_shuffled(text + "coin")[:8], 16) % 2 == 0


def _shuffled(text: str) -> str:
    return hashlib.sha256(f"{_SEED} {text}".encode()).hexdigest()


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
