"""Messages to the token ids a model was trained to read, where text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from jinja2 import TemplateError
from langchain_core.messages import BaseMessage

from ingest import UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

Turn = dict[str, str]

ROLES = {"system": "system", "human": "user", "ai": "assistant"}
PLAIN_ROLES = {"system": "", "user": "User: ", "assistant": "Assistant: "}


def prompt_ids(tokenizer: PreTrainedTokenizerFast, messages: Sequence[BaseMessage]) -> list[int]:
    """Return the ids of ``messages`` in the model's chat template, ready for the answer.

    A base model without a template gets plain text with role names. No text of a message
    yields a control token: only the template writes those.
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
    """Return where a model without a chat template starts to write the user's next turn."""
    return [] if tokenizer.chat_template else [f"\n{PLAIN_ROLES['user'].rstrip()}"]


def control_ids(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Return the ids that mean more than their text, such as the start of a role."""
    added = tokenizer.added_tokens_decoder.items()
    # Some tokenizers add runs of spaces as tokens: those are text.
    return frozenset(id_ for id_, token in added if token.content.strip()) | frozenset(
        tokenizer.all_special_ids
    )


def plain_text(tokenizer: Tokenizer, text: str, control: frozenset[int]) -> str:
    """Return ``text``, parted by a space inside all that would become a control token."""
    apart = True
    while spans := _control_spans(tokenizer, text, control):
        for start, end in reversed(spans):
            first = text[start] if apart and end - start > 1 else ""
            text = f"{text[:start]}{first} {text[start + len(first) if first else end :]}"
        # What a normaliser puts together again goes altogether, so that this ends.
        apart = False
    return text


def _control_spans(
    tokenizer: Tokenizer, text: str, control: frozenset[int]
) -> list[tuple[int, int]]:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    spans = []
    for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if id_ in control:
            # A token may take the space to its left along.
            start += len(text[start:end]) - len(text[start:end].lstrip())
            spans.append((start, end))
    return spans


def _merged(messages: Sequence[BaseMessage]) -> list[tuple[str, str]]:
    roles = [(ROLES.get(message.type, "user"), str(message.text)) for message in messages]
    # Many templates refuse two turns of one role in a row.
    grouped = groupby(roles, key=lambda turn: turn[0])
    return [(role, "\n\n".join(text for _, text in turns)) for role, turns in grouped]


def _render(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> str:
    try:
        return _template(tokenizer, turns)
    except TemplateError:
        try:
            return _template(tokenizer, _without_system(turns))
        except TemplateError as error:
            raise UsageError(
                f"the chat template of {tokenizer.name_or_path} refuses these messages: {error}; "
                "choose another model or prompt template"
            ) from error


def _template(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> str:
    # A reasoning model would spend the answer's tokens on its thoughts.
    rendered = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return str(rendered)


def _without_system(turns: list[Turn]) -> list[Turn]:
    """Return ``turns`` for the templates that know no system role."""
    match turns:
        case [{"role": "system", "content": system}, {"role": "user", "content": text}, *rest]:
            return [{"role": "user", "content": f"{system}\n\n{text}"}, *rest]
        case [{"role": "system", "content": system}, *rest]:
            return [{"role": "user", "content": system}, *rest]
    return turns


def _plain(turns: list[Turn]) -> str:
    lines = [PLAIN_ROLES[turn["role"]] + turn["content"] for turn in turns]
    return "\n\n".join((*lines, PLAIN_ROLES["assistant"].rstrip()))
