"""Token counts and limits of chat models."""

from __future__ import annotations

from contextlib import suppress

from langchain_core.language_models import BaseChatModel, BaseLanguageModel

# A conservative estimate: about four in English and three in Portuguese.
_CHARACTERS_PER_TOKEN = 3
_DEFAULT_MAX_TOKENS = 512  # the default of the setting llm_max_tokens


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
