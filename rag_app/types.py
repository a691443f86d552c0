"""The values that flow from a question to an answer."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest import UNDETERMINED, Place, UsageError, place_at
from ingest.text.printable import printable

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from ingest import ScoredSpan

_ENDING = re.compile(r"\.[^./]*$")
_NOT_WORD = re.compile(r"[\W_]+")
# The characters of Markdown's syntax, inline and at the start of a line.
_MARKDOWN = re.compile(r"[\\`*_{}\[\])#+\-.!|~$^:=@]")

# The answers where the documents hold none, and where only near passages were found, by language.
ABSTENTION = MappingProxyType(
    {
        "en": "I don't know: the documents don't say.",
        "pt": "Não sei: os documentos não dizem.",
    }
)
UNSURE = MappingProxyType(
    {"en": "I found no sure answer.", "pt": "Não encontrei uma resposta segura."}
)


class Section(NamedTuple):
    """The offset in a chunk at which a section begins, and its headings, outermost first."""

    start: int
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A retrieved chunk with its place in its document and its scores (higher is better).

    Attributes:
        text: The chunk, verbatim.
        source: Path of the file, relative to the documents folder, POSIX style.
        start: Offset of its first character in the document's text.
        end: Offset after its last character.
        places: The pages, rows or other parts of its file that it covers, in order, the first as
            if it began at ``start``; empty if there are none to tell.
        headings: Titles of the sections around the chunk, outermost first.
        language: ISO 639-1 code of the document's language, or ``und`` if it is not known.
        score: The fused score, 0 to 1, that orders the chunks.
        dense: Cosine similarity to the question, -1 to 1.
        lexical: BM25 score, 0 or more.
        sentences: The sentences of the text, with their cosines to the question; empty if the
            retriever gives none.
        title: Title of the document; may be empty.
        sections: The sections of the text, in order; empty if the retriever gives none.
    """

    text: str
    source: str
    start: int
    end: int
    places: tuple[Place, ...] = ()
    headings: tuple[str, ...] = ()
    language: str = UNDETERMINED
    score: float = 0.0
    dense: float = 0.0
    lexical: float = 0.0
    sentences: tuple[ScoredSpan, ...] = ()
    title: str = ""
    sections: tuple[Section, ...] = ()

    @property
    def names(self) -> str:
        """The title of the document and the words of its path."""
        return f"{self.title} {_NOT_WORD.sub(' ', _ENDING.sub('', self.source))}"

    def headings_at(self, offset: int) -> tuple[str, ...]:
        """Return the headings above the character at ``offset`` of the chunk, outermost first."""
        at = bisect_right(self.sections, offset, key=lambda section: section.start) - 1
        return self.sections[at].headings if at >= 0 else self.headings

    @property
    def place(self) -> Place:
        """The place of the first character."""
        return self.place_at(self.start)

    def place_at(self, offset: int) -> Place:
        """Return the place of the character at ``offset`` of the document."""
        return place_at(self.places, offset, self.text, self.start) or Place(offset)

    def location_at(self, offset: int) -> str | None:
        """Return where in its file the character at ``offset`` of the document is.

        That is its place, such as ``page 3``, or else the headings above it, or None.
        """
        headings = self.headings_at(offset - self.start)
        return self.place_at(offset).location or " > ".join(headings) or None

    @classmethod
    def from_document(cls, document: Document) -> ScoredChunk:
        """Return the chunk in a LangChain Document of any retriever."""
        data = document.metadata
        start = int(data.get("start", data.get("start_index", 0)))
        return cls(
            text=document.page_content,
            source=str(data.get("source", document.id or "")),
            start=start,
            end=start + len(document.page_content),
            places=_places(data, start),
            headings=tuple(data.get("headings", ())),
            language=str(data.get("language", UNDETERMINED)),
            score=float(data.get("score", 0.0)),
            dense=float(data.get("dense", 0.0)),
            lexical=float(data.get("lexical", 0.0)),
            sentences=tuple(data.get("sentences", ())),
            title=str(data.get("title", "")),
            sections=tuple(data.get("sections", ())),
        )

    def to_record(self) -> dict[str, Any]:
        """Return the stable JSON shape of a retrieved chunk."""
        return {
            "source": self.source,
            "page": self.place.page,
            "location": self.location_at(self.start),
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "score": self.score,
            "dense": self.dense,
            "lexical": self.lexical,
        }

    def to_document(self) -> Document:
        """Return the chunk as a LangChain Document, which :meth:`from_document` reads back."""
        from langchain_core.documents import Document

        metadata = asdict(self)
        return Document(page_content=metadata.pop("text"), metadata=metadata)


def _places(metadata: Mapping[str, Any], start: int) -> tuple[Place, ...]:
    """Return the places in the metadata of a LangChain Document, or the page that it names."""
    page = metadata.get("page")
    if "places" not in metadata and isinstance(page, int):
        return (Place(start, f"page {page}", page),)
    return tuple(Place(*place) for place in metadata.get("places", ()))


@dataclass(frozen=True, slots=True)
class Citation:
    """An exact quote: the document's text from ``start`` to ``end`` is ``quote``.

    Attributes:
        n: The number that the answer's ``[n]`` refers to, from 1.
        source: Path of the file, relative to the documents folder.
        page: Page of the quote's first character, counted from 1; None without pages.
        start: Offset of the quote in the document's text, in characters.
        end: Offset after the quote.
        quote: The characters there, verbatim.
        score: How well the quote supports the sentence that cites it, 0 to 1.
        verified: Whether the quote was found to support that sentence.
        language: ISO 639-1 code of the document's language, or ``und`` if it is not known.
        location: Where the quote begins in its file, such as ``page 3``, ``Prices!5`` or
            ``line 12``; in a format without such places the headings above it, or None.
    """

    n: int
    source: str
    page: int | None
    start: int
    end: int
    quote: str
    score: float
    verified: bool
    language: str = UNDETERMINED
    location: str | None = None


def chunk_of(citation: Citation, chunks: Sequence[ScoredChunk]) -> ScoredChunk | None:
    """Return the first of ``chunks`` that holds the beginning of the quote, or None."""
    found = (one for one in chunks if one.source == citation.source)
    return next((one for one in found if one.start <= citation.start < one.end), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its evidence.

    Attributes:
        question: The question as asked.
        text: The answer; its ``[n]`` refer to ``citations``.
        citations: The quotes, in the order of ``n``.
        abstained: True when no answer was found, or none that is sure.
        nearest: Of an abstention, the places that come nearest, best first; none where the
            documents hardly hold the answer.
        unsupported: Sentences of the chat model for which no quote was found; with the setting
            ``on_unsupported`` they may not be in ``text``.
        conflicts: Groups of citations, by their ``n``, that give different numbers or dates.
        retrieval_confidence: The probability, 0 to 1, that the chunks hold an answer, as the
            extractive reader judges it; None where nothing was retrieved or no reader was asked.
        llm: The chat model that answered, as ``provider:model``.
        usage: ``input_tokens``, ``output_tokens`` and ``cost`` where the provider tells, with what
            rewriting the question took; ``cut`` is 1 if the answer reached its longest length, and
            ``cached`` if it was given before; ``dropped_chunks`` counts retrieved chunks that did
            not fit into the context.
        timings: Seconds by stage: ``retrieve``, ``prompt``, ``generate``, ``cite``, ``total``; of
            a cached answer ``recall`` and ``total``.
    """

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    abstained: bool = False
    nearest: tuple[Citation, ...] = ()
    unsupported: tuple[str, ...] = ()
    conflicts: tuple[tuple[int, ...], ...] = ()
    retrieval_confidence: float | None = None
    llm: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the answer with the places of its quotes, as plain text."""
        return plain(self)

    def _repr_markdown_(self) -> str:
        """Return the answer with its quotes, for a notebook."""
        return markdown(self)

    def to_record(self) -> dict[str, Any]:
        """Return the stable JSON shape of the answer."""
        return {
            "question": self.question,
            "answer": self.text,
            "abstained": self.abstained,
            "nearest": [asdict(citation) for citation in self.nearest],
            "citations": [asdict(citation) for citation in self.citations],
            "unsupported": list(self.unsupported),
            "conflicts": [list(group) for group in self.conflicts],
            "retrieval_confidence": self.retrieval_confidence,
            "llm": self.llm,
            "usage": dict(self.usage),
            "timings": dict(self.timings),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Answer:
        """Return the answer of a record; raises KeyError or TypeError if it is none."""
        values = {key: record[key] for key in ("question", "abstained", "llm", "usage", "timings")}
        return cls(
            text=record["answer"],
            citations=tuple(Citation(**citation) for citation in record["citations"]),
            nearest=tuple(Citation(**one) for one in record.get("nearest", ())),
            unsupported=tuple(record["unsupported"]),
            conflicts=tuple(map(tuple, record.get("conflicts", ()))),
            retrieval_confidence=record.get("retrieval_confidence"),
            **values,
        )


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event of a stream: the chunks the answer is made from, best first."""

    chunks: tuple[ScoredChunk, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the model's text, as it came; the final answer renumbers its markers."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of what the model thinks before it answers; it is not part of the answer."""

    text: str


Event = Retrieved | Thinking | Token | Answer


def check_question(question: object) -> None:
    """Raise UsageError if a question is not a string, is blank, or is not valid Unicode."""
    if not isinstance(question, str):
        raise UsageError(f"the question has to be a text, not {question!r}"[:200])
    if not question.strip():
        raise UsageError("the question is empty: ask something, in a word or more")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"character {error.start + 1} of the question is no valid text: "
            "write it in UTF-8, or check the terminal's encoding"
        ) from None


def source_line(source: str, location: str | None, headings: Sequence[str] = ()) -> str:
    """Return ``file, page 3, Section > Part`` on one line."""
    parts = dict.fromkeys((source, location, " > ".join(headings)))
    return printable(" ".join(", ".join(part for part in parts if part).split()))


def place_line(citation: Citation, headings: Sequence[str] = ()) -> str:
    """Return the citation's number, file, location and headings on one line."""
    return f"[{citation.n}] {source_line(citation.source, citation.location, headings)}"


def show_command(citation: Citation) -> str:
    """Return the shell command that shows the quote in its document."""
    place = f"{citation.source}:{citation.start}-{citation.end}"
    return f"rag show {'-- ' * place.startswith('-')}{shlex.quote(printable(place))}"


def layout(answer: Answer, every_quote: bool = False) -> Iterator[tuple[Citation, bool, bool]]:
    """Yield each citation, whether a blank line precedes it, and whether its quote is shown.

    A quote is shown if it is not part of the answer's text, or if ``every_quote`` is set.
    """
    apart = True
    for citation in answer.citations:
        quoted = every_quote or citation.quote not in answer.text
        yield citation, quoted or apart, quoted
        apart = quoted


def plain(answer: Answer) -> str:
    """Return the answer, the places of its quotes, and the quotes that its text lacks."""
    return printable("\n".join(_plain_lines(answer)))


def _plain_lines(answer: Answer) -> Iterator[str]:
    yield answer.text
    if answer.nearest:
        yield "\nnearest:"
    for citation in answer.nearest:
        yield f"{place_line(citation)}\n{citation.quote}"
    for citation, apart, quoted in layout(answer):
        yield ("\n" if apart else "") + place_line(citation)
        if quoted:
            yield citation.quote
    if answer.unsupported:
        yield "\nwithout support in the documents:"
        yield from answer.unsupported


def markdown(answer: Answer) -> str:
    """Return the answer as Markdown, each quote under its place; Markdown in texts is escaped."""
    blocks = [markdown_text(answer.text)]
    if answer.nearest:
        blocks.append("nearest:")
    for citation in (*answer.citations, *answer.nearest):
        quote = markdown_text(citation.quote).replace("\n", "\n> ")
        blocks.append(f"**{markdown_text(place_line(citation))}**\n\n> {quote}")
    if answer.unsupported:
        blocks.append("without support in the documents:")
        blocks += map(markdown_text, answer.unsupported)
    return "\n\n".join(blocks)


def markdown_text(text: str) -> str:
    """Return the text escaped for Markdown, line by line."""
    lines = (" ".join(line.split()) for line in printable(text).strip().splitlines())
    return "\\\n".join(_MARKDOWN.sub(r"\\\g<0>", escape(line, quote=False)) for line in lines)
