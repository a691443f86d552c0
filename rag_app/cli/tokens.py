"""``rag tokens``: how the models tokenize a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Index, Llm, Quiet
from rag_app.cli.output import note, print_json, printable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from rag_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Token:
    """One token and its span in the text, in characters."""

    token: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Split:
    """The tokens of the text for one model.

    Attributes:
        model: The model, as ``provider:model``.
        algorithm: ``WordPiece``, ``BPE`` or ``Unigram``.
        count: Number of tokens, including special tokens.
        limit: The context window, in tokens; None if unknown.
        tokens: The tokens of the text, in order, without special tokens.
    """

    model: str
    algorithm: str
    count: int
    limit: int | None
    tokens: tuple[Token, ...]


def tokens(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text.")],
    llm: Llm = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the tokens of a text for the embedding model and the chat model."""
    from ingest import embedding_model
    from rag_app.settings import llm_names, load_settings

    settings = load_settings(index=index, llm=llm)
    embedding = embedding_model(settings)
    splits = [_split(text, embedding.name, embedding.tokenizer, embedding.identity.max_tokens)]
    for name in llm_names(settings.llm):
        if name.startswith("huggingface:"):
            splits.append(_split(text, name, *_chat_tokenizer(name, settings)))
        else:
            note(f"note: '{name}' has no tokenizer here; try --llm huggingface:…", quiet)
    if as_json:
        print_json({"text": text, "models": [asdict(split) for split in splits]})
    else:
        _print_splits(text, splits)


def _chat_tokenizer(llm: str, settings: Settings) -> tuple[Tokenizer, int | None]:
    """Return the chat model's tokenizer and its context window, if known."""
    from rag_app.llms import chat_model

    chat_model(llm, settings)  # raises if packages are missing
    from rag_app.llms.loading import context_window, load_tokenizer

    model, revision = llm.removeprefix("huggingface:"), settings.llm_revision
    limit = context_window(model, revision)
    # Without a limit, transformers sets a huge one.
    return load_tokenizer(model, revision).backend_tokenizer, limit if limit < 1e9 else None


def _split(text: str, model: str, tokenizer: Tokenizer, limit: int | None) -> Split:
    bare = tokenizer.encode(text, add_special_tokens=False)
    spans = zip(bare.tokens, bare.offsets, strict=True)
    return Split(
        model=model,
        algorithm=type(tokenizer.model).__name__,
        count=len(tokenizer.encode(text).ids),
        limit=limit,
        tokens=tuple(Token(token, start, end) for token, (start, end) in spans),
    )


def _print_splits(text: str, splits: Sequence[Split]) -> None:
    for split in splits:
        limit = f" of {split.limit}" if split.limit else ""
        print(printable(f"{split.model} ({split.algorithm}): {split.count}{limit} tokens"))
    print()
    words = re.finditer(r"\S+|\s+", text)
    rows = [[word.group(), *(_within(split, word) for split in splits)] for word in words]
    shown = [[_visible(cell) for cell in row] for row in rows if any(row[1:])]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def _within(split: Split, word: re.Match[str]) -> str:
    """Return the tokens that end in the word; a BPE token may begin with the space before it."""
    return " ".join(token.token for token in split.tokens if word.start() < token.end <= word.end())


def _visible(cell: str) -> str:
    """Return the cell on one line; a cell of white space only is escaped."""
    return printable(cell if cell.strip() else repr(cell)[1:-1]) if cell else ""
