"""Thoughts and answers are told apart, whole, cut anywhere, and beside the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk

from rag_app.llms.thinking import ThinkingSplitter, answer_text
from rag_app.types import Thinking, Token

SAID = "The west kiln fires at 1,240 degrees. [2]"
THOUGHT = "Text [1] is on glazes, so [2]: 1,240 < 1,300."
CASES = {
    f"<think>\n{THOUGHT}\n</think>\n\n{SAID}": SAID,
    f"<thinking>{THOUGHT}</thinking>{SAID}": SAID,
    f"<reasoning>{THOUGHT}</reasoning>\n{SAID}": SAID,
    f"<seed:think>{THOUGHT}</seed:think>{SAID}": SAID,
    f"[THINK]{THOUGHT}[/THINK]{SAID}": SAID,
    f"◁think▷{THOUGHT}◁/think▷{SAID}": SAID,
    f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>": SAID,
    f"{THOUGHT}\n</think>\n\n{SAID}": SAID,
    f"{THOUGHT}</think>{SAID}": SAID,
    f"<think>{THOUGHT}": "",
    f"{SAID}\n<think>{THOUGHT}</think>\nThat is all.": f"{SAID}\n\nThat is all.",
    f"<think>{THOUGHT}</think><answer>{SAID}</answer>": SAID,
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>"
    f"{SAID}<|return|>": SAID,
    f"<|channel|>commentary<|message|>{THOUGHT}<|end|><|channel|>final <|constrain|>text<|message|>"
    f"{SAID}": SAID,
    f"analysisWe need this. {THOUGHT}assistantfinal{SAID}": SAID,
    f"{SAID}<|im_end|>": SAID,
    f"{SAID}</s>": SAID,
    f"{SAID}<end_of_turn>\n": SAID,
    f"{SAID}<|eot_id|><|endoftext|>": SAID,
    f"{SAID}<|im_end|>\n<|im_start|>user\nAnd the east kiln?": SAID,
    f"<|im_start|>user\n{SAID}": SAID,
    # What an answer may be about.
    "The token <|endoftext|> ends a text. [1]": "The token <|endoftext|> ends a text. [1]",
    "Write <think> first and </think> after it. [1]": "Write <think> first and </think> after it. "
    "[1]",
    "The tag `</think>` ends it, the manual says.": "The tag `</think>` ends it, the manual says.",
    "analysis of the kiln: a < b, [TODO] and x<": "analysis of the kiln: a < b, [TODO] and x<",
    "<b>Hot</b> and <i>hotter</i>": "<b>Hot</b> and <i>hotter</i>",
}


def split(pieces: list[str]) -> tuple[str, str]:
    """Return the thoughts and the answer of a message in pieces."""
    splitter = ThinkingSplitter()
    events = [event for piece in pieces for event in splitter.push(AIMessageChunk(content=piece))]
    events += splitter.close()
    thoughts = "".join(event.text for event in events if isinstance(event, Thinking))
    return thoughts, splitter.answer


@pytest.mark.parametrize("text", CASES)
def test_the_answer_is_what_is_not_thought(text: str):
    assert answer_text(AIMessage(text)) == CASES[text]


@pytest.mark.parametrize("text", CASES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_where_a_stream_is_cut_makes_no_difference(text: str, data: st.DataObject):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=len(text))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    thoughts, answer = split(pieces)
    assert answer == CASES[text]
    if THOUGHT in text:
        assert THOUGHT in thoughts


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab <>|/[]`\nthink1"), max_size=60), st.integers(1, 7))
def test_a_text_is_the_same_in_pieces_as_whole(text: str, size: int):
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert split(pieces)[1] == answer_text(AIMessage(text))


def test_tokens_are_not_held_back_longer_than_they_may_become_a_tag():
    splitter = ThinkingSplitter()
    assert list(splitter.push(AIMessageChunk(content="The kiln "))) == [Token("The kiln ")]
    assert list(splitter.push(AIMessageChunk(content="is <"))) == [Token("is ")]
    assert list(splitter.push(AIMessageChunk(content=" 1,300."))) == [Token("< 1,300.")]


@pytest.mark.parametrize(
    ("message", "thoughts"),
    [
        (AIMessage(SAID, additional_kwargs={"reasoning_content": "Hm."}), ["Hm."]),
        (AIMessage([{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": SAID}]),
         ["Hm."]),
        (AIMessage([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
                    {"type": "text", "text": SAID}]), ["Hm."]),
        (AIMessage([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, SAID]),
         ["Hm."]),
        (AIMessage([{"type": "text", "text": SAID}]), []),
    ],
    ids=["beside", "block", "summary", "parts of parts", "text"],
)  # fmt: skip
def test_thoughts_beside_the_text_are_told_too(message: AIMessage, thoughts: list[str]):
    splitter = ThinkingSplitter()
    events = [*splitter.push(message), *splitter.close()]
    assert [event.text for event in events if isinstance(event, Thinking)] == thoughts
    assert splitter.answer == SAID
    assert splitter.has_thought is bool(thoughts)
