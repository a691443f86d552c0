"""Give an answer again to a question that was asked before, if nothing that made it has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest import RagError
from rag_app.ledger import Ledger
from rag_app.prompts import load_prompt
from rag_app.settings import Settings, llm_names
from rag_app.telemetry import Clock
from rag_app.types import Answer, ScoredChunk, Section
from rag_app.usage import add_usage

if TYPE_CHECKING:
    from rag_app.app import RagApp

LEDGER = "answers.sqlite"
_COUNTS = ("questions", "cached", "input_tokens", "output_tokens")
# All other settings are part of the key, so that a new one can't be forgotten.
_WITHOUT_EFFECT = frozenset(
    "cache documents index llm_timeout max_file_mb offline openai_api_key show_thinking".split()
)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was kept, and the chunks it was made from, best first."""

    chunks: tuple[ScoredChunk, ...]
    answer: Answer


class Asked:
    """A question to an app, and the answer that is kept for it.

    The answer is found by the question, the filter, every setting with a say in it, the contents
    of the prompt templates, the files of a local model, and the state of the index, which no other
    index and no later change has. None is kept where it would not be the same again, at a
    temperature above 0, nor of ``extractive``, which needs no longer than the search.
    """

    def __init__(self, app: RagApp, question: str, filter: Mapping[str, str] | None) -> None:
        self._app = app
        self._question = question
        self._filter = dict(filter or {})
        self._first, *_ = llm_names(app.settings.llm)
        self._ledger = _ledger(app.settings)
        self._key = self._made_from()

    def recall(self) -> Kept | None:
        """Return the answer that is kept, if its quotes are what the documents say."""
        clock = Clock()
        body = self._ledger.find(self._key) if self._key else None
        kept = self._checked(json.loads(body)) if body else None
        if kept is None:
            return None
        with clock:
            clock.done("recall", cached=True)
        self._ledger.count({"questions": 1, "cached": 1})
        usage = {"cached": 1, "dropped_chunks": kept.answer.usage.get("dropped_chunks", 0)}
        timings = clock.timings | {"total": clock.total}
        return replace(kept, answer=replace(kept.answer, usage=usage, timings=timings))

    def remember(self, chunks: tuple[ScoredChunk, ...], answer: Answer) -> None:
        """Count a new answer, and keep it if it is whole and of the model of first choice.

        It is not kept if the index has changed since the question was asked.
        """
        self._ledger.count({"questions": 1, **add_usage({}, answer.usage)})
        if self._key is None or answer.usage.get("cut") or answer.llm != self._first:
            return
        with suppress(RagError):
            if self._made_from() == self._key:
                record = {"chunks": [_place(one) for one in chunks], "answer": answer.to_record()}
                self._ledger.keep(self._key, json.dumps(record).encode())

    def _made_from(self) -> bytes | None:
        """Return a digest of all that makes the answer; None if it is not to be kept."""
        settings = self._app.settings
        if not settings.cache or settings.llm_temperature or self._first == "extractive":
            return None
        store = self._app.store
        store.status()  # goes on with another version if a rebuild has switched to it
        models = (*llm_names(settings.llm), settings.rerank or "", settings.entailment or "")
        everything = [
            _version(),
            self._question,
            self._filter,
            settings.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT)),
            _prompts(settings.prompt),
            [_weights(model) for model in models],
            [store.version.name, asdict(store.state())],
        ]
        return sha256(json.dumps(everything, sort_keys=True).encode()).digest()

    def _checked(self, record: Mapping[str, Any]) -> Kept | None:
        """Return the record with the texts of its chunks, or None if the documents differ."""
        text = lru_cache(self._text)
        try:
            answer = Answer.from_record(record["answer"])
            chunks = tuple(_chunk(place, text(place["source"])) for place in record["chunks"])
        except (KeyError, TypeError):
            return None
        quotes = [text(one.source)[one.start : one.end] for one in answer.citations]
        exact = quotes == [one.quote for one in answer.citations]
        return Kept(chunks, answer) if exact else None

    def _text(self, source: str) -> str:
        document = self._app.document(source)
        return document.text if document else ""


def usage_totals(settings: Settings) -> dict[str, float]:
    """Return how much was asked of an index: questions, how many from the cache, tokens, cost."""
    totals = _ledger(settings).totals()
    return {name: int(totals.get(name, 0)) for name in _COUNTS} | {"cost": totals.get("cost", 0.0)}


def count_usage(settings: Settings, usage: Mapping[str, float]) -> None:
    """Add what was spent beside the answers of an index to its totals."""
    _ledger(settings).count(usage)


def _ledger(settings: Settings) -> Ledger:
    return Ledger(settings.index / LEDGER)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    with suppress(PackageNotFoundError):
        return version("rag-app")
    return ""


def _prompts(own: str | None) -> list[Any]:
    """Return the contents of the user's own template, and digests of those of the app."""
    shipped = (path for path in files("rag_app.prompts").iterdir() if path.name.endswith(".yaml"))
    digests = sorted(sha256(path.read_bytes()).hexdigest() for path in shipped)
    return [asdict(load_prompt(own)) if own else None, *digests]


def _weights(llm: str) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of the files of a model that is a file or folder here."""
    provider, _, model = llm.partition(":")
    if provider != "huggingface" or not model:
        return []
    path = Path(model).expanduser()
    found = [one for one in (path, *sorted(path.rglob("*"))) if one.is_file()]
    return [(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in found]


def _chunk(place: Mapping[str, Any], text: str) -> ScoredChunk:
    tuples: dict[str, Any] = {name: tuple(place[name]) for name in ("page_breaks", "headings")}
    tuples["sections"] = tuple(Section(at, tuple(titles)) for at, titles in place["sections"])
    return ScoredChunk(text=text[place["start"] : place["end"]], **{**place, **tuples})


def _place(chunk: ScoredChunk) -> dict[str, Any]:
    """Return a chunk without its text and sentences, which the index has."""
    fields = asdict(chunk)
    del fields["text"], fields["sentences"]
    return fields
