"""How many tokens a chat model may write, and how many a text takes of its window."""

from __future__ import annotations

from contextlib import suppress

from langchain_core.language_models import BaseChatModel, BaseLanguageModel

# A cautious guess: English has about four characters to a token, Portuguese three.
_CHARACTERS_PER_TOKEN = 3
_DEFAULT_MAX_TOKENS = 512


def max_tokens(llm: BaseChatModel) -> int:
    """Return how many tokens the model may write."""
    for field_name in ("max_tokens", "max_new_tokens", "max_completion_tokens"):
        if isinstance(value := getattr(llm, field_name, None), int):
            return value
    return _DEFAULT_MAX_TOKENS


def count_tokens(llm: BaseChatModel, text: str) -> int:
    """Return the tokens of ``text``, by the model's own count where it has one that works.

    LangChain's default would fetch GPT-2's tokenizer, and some providers fetch theirs.
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
