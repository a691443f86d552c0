"""The context of a prompt: numbered chunks, within the window of a chat model."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from langchain_core.language_models import BaseChatModel, BaseLanguageModel

from rag_app.types import ScoredChunk

# A conservative estimate: about four in English and three in Portuguese.
_CHARACTERS_PER_TOKEN = 3
_DEFAULT_MAX_TOKENS = 512  # the default of the setting llm_max_tokens
_OPEN, _CLOSE = "<<<", ">>>"
_IMITATION = re.compile(r"\s*(<<<|>>>|\[\s*\d)")


def format_context(chunks: Sequence[ScoredChunk]) -> str:
    """Return the chunks numbered from 1, each under its source and place, between delimiters.

    A line of a chunk that looks like a delimiter or a number is prefixed with ``|``, so no document
    can close its block or open another; nothing else differs from the stored text.
    """
    blocks = (
        f"[{n}] {_title(chunk)}\n{_OPEN}\n{_harmless(chunk.text)}\n{_CLOSE}"
        for n, chunk in enumerate(chunks, 1)
    )
    return "\n\n".join(blocks)


def max_tokens(llm: BaseChatModel) -> int:
    """Return the maximum length of the model's answers, in tokens."""
    for field_name in ("max_tokens", "max_new_tokens", "max_completion_tokens"):
        if isinstance(value := getattr(llm, field_name, None), int):
            return value
    return _DEFAULT_MAX_TOKENS


def count_tokens(llm: BaseChatModel, text: str) -> int:
    """Return the number of tokens of ``text``: the model's own count, or else an estimate.

    LangChain's default is not used: it would download GPT-2's tokenizer.
    """
    kind, default = type(llm), BaseLanguageModel
    counts = (
        kind.get_num_tokens is not default.get_num_tokens
        or kind.get_token_ids is not default.get_token_ids
        or llm.custom_get_token_ids is not None
    )
    if counts:
        with suppress(Exception):
            return llm.get_num_tokens(text)
    return len(text) // _CHARACTERS_PER_TOKEN + 1


def _title(chunk: ScoredChunk) -> str:
    source = " ".join("".join(c if c.isprintable() else " " for c in chunk.source).split())
    return ", ".join(filter(None, (source, chunk.place.name)))


@lru_cache(maxsize=512)
def _harmless(text: str) -> str:
    return "".join(
        f"| {line}" if _IMITATION.match(_visible(line)) else line
        for line in text.splitlines(keepends=True)
    )


def _visible(line: str) -> str:
    """Return the line as a reader sees it: without invisible characters, wide forms narrowed."""
    shown = (c for c in line if unicodedata.category(c) not in ("Cf", "Cc", "Mn"))
    return unicodedata.normalize("NFKC", "".join(shown))
