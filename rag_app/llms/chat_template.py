"""Messages to token ids by the model's chat template, safe from injected control tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from langchain_core.messages import BaseMessage

from ingest import UsageError
from rag_app.llms.refused_parameters import without_system

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

Turn = dict[str, Any]

ROLES = {"system": "system", "human": "user", "ai": "assistant"}
PLAIN_ROLES = {"system": "", "user": "User: ", "assistant": "Assistant: "}


def prompt_ids(tokenizer: PreTrainedTokenizerFast, messages: Sequence[BaseMessage]) -> list[int]:
    """Return the token ids of ``messages`` and of the start of an answer.

    A base model without a chat template gets plain text with role names. The text of a message
    never becomes a control token.

    Raises:
        UsageError: The chat template refuses the messages.
    """
    control = control_ids(tokenizer)
    backend = tokenizer.backend_tokenizer
    turns = [
        {"role": role, "content": plain_text(backend, content, control)}
        for role, content in _merged(messages)
    ]
    if tokenizer.chat_template is None:
        return list(backend.encode(_plain(turns)).ids)
    return list(backend.encode(_render(tokenizer, turns), add_special_tokens=False).ids)


def plain_stops(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Return the stop string of a model without a chat template: the user's next turn."""
    return [] if tokenizer.chat_template else [f"\n{PLAIN_ROLES['user'].rstrip()}"]


def control_ids(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Return the ids of control tokens, such as the start of a role."""
    added = tokenizer.added_tokens_decoder.items()
    # Runs of spaces that some tokenizers add as tokens are text.
    return frozenset(id_ for id_, token in added if token.content.strip()) | frozenset(
        tokenizer.all_special_ids
    )


def plain_text(tokenizer: Tokenizer, text: str, control: frozenset[int]) -> str:
    """Return ``text`` with a space inside everything that would become a control token."""
    apart = True
    while spans := _control_spans(tokenizer, text, control):
        for start, end in reversed(spans):
            first = text[start] if apart and end - start > 1 else ""
            text = f"{text[:start]}{first} {text[start + len(first) if first else end :]}"
        # Remove what a normaliser joins again, so that the loop ends.
        apart = False
    return text


def _control_spans(
    tokenizer: Tokenizer, text: str, control: frozenset[int]
) -> list[tuple[int, int]]:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    spans = []
    for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if id_ in control:
            # A token may include the space to its left.
            start += len(text[start:end]) - len(text[start:end].lstrip())
            spans.append((start, end))
    return spans


def _merged(messages: Sequence[BaseMessage]) -> list[tuple[str, str]]:
    roles = [(ROLES.get(message.type, "user"), str(message.text)) for message in messages]
    # Many templates refuse two consecutive turns of one role.
    grouped = groupby(roles, key=lambda turn: turn[0])
    return [(role, "\n\n".join(text for _, text in turns)) for role, turns in grouped]


def _render(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> str:
    try:
        return _template(tokenizer, turns)
    except TemplateError:
        try:
            return _template(tokenizer, without_system(turns))
        except TemplateError as error:
            raise UsageError(
                f"the chat template of {tokenizer.name_or_path} refuses these messages: {error}; "
                "choose another model or prompt template"
            ) from error


def _template(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> str:
    # A reasoning model would spend the answer's tokens on thinking.
    rendered = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return str(rendered)


def _plain(turns: list[Turn]) -> str:
    lines = [PLAIN_ROLES[turn["role"]] + turn["content"] for turn in turns]
    return "\n\n".join((*lines, PLAIN_ROLES["assistant"].rstrip()))
