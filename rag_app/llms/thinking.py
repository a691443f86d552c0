"""Separate a model's thinking from its answer in a stream.

Models mark thinking with tags (``<think>``, Qwen, DeepSeek; ``[THINK]``, Magistral), with channels
(OpenAI's harmony format of gpt-oss), or outside the text, as LangChain's content blocks and
``reasoning_content``. Some close a tag that the prompt opened, some never close theirs, and some
servers leave end-of-turn tokens in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from langchain_core.messages import BaseMessage

from rag_app.types import Thinking, Token

_NAME = r"(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)"
_ENDS = (
    r"<\|(?:im_end|end|eot_id|eom_id|endoftext|return|call|end_of_text|END_RESPONSE|"
    r"END_OF_TURN_TOKEN)\|>|</s>|<end_of_turn>|<｜end▁of▁sentence｜>"
)
_CONTROL = re.compile(
    rf"(?P<open><(?:\w+:)?{_NAME}>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>)"
    rf"|(?P<close></(?:\w+:)?{_NAME}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>)"
    r"|<\|channel\|>(?P<channel>\w+)[^<]{0,40}(?:<\|constrain\|>\w*)?<\|message\|>"
    r"|(?P<plain>\Aanalysis(?=(?-i:[A-Z])))|(?P<final>assistantfinal)"
    r"|(?P<role><\|(?:start|im_start)\|>\s*(?P<speaker>\w*))"
    r"|(?P<frame></?(?:answer|final_answer|response)>|<\|START_RESPONSE\|>"
    r"|<\|(?:begin|end)_of_solution\|>)"
    rf"|(?P<end>{_ENDS})",
    re.IGNORECASE,
)
# The start of a possible control tag, to be completed by the next chunk.
_UNFINISHED = re.compile(
    r"(?:<\|channel\|>[^<]{0,60}(?:<\|constrain\|>\w*)?(?:<\|?\w*\|?)?"
    r"|<[/|｜]?[\w:▁|｜]{0,40}|\[/?[A-Z]{0,5}|◁[^▷]{0,8})$",
    re.IGNORECASE,
)
_FIRST, _LAST = "analysis", "assistantfinal"


class ThinkingSplitter:
    """Splits a streamed message into thinking and answer.

    Attributes:
        answer: The text of the answer so far.
        has_thought: Whether there was any thinking.
    """

    def __init__(self) -> None:
        self.answer = ""
        self.has_thought = False
        self._held = ""
        self._thinks = False
        self._is_over = False
        self._begins = True

    def push(self, message: BaseMessage) -> Iterator[Thinking | Token]:
        """Yield the events of a message or of its next chunk.

        If a model closes a tag it never opened, the tokens before it come again as thinking.
        """
        for is_thought, text in _parts(message):
            if is_thought:
                self.has_thought = True
                yield Thinking(text)
            else:
                self._held += text
                yield from self._read(is_last=False)

    def close(self) -> Iterator[Thinking | Token]:
        """Yield the text held back as a possible start of a tag."""
        yield from self._read(is_last=True)
        self.answer = self.answer.rstrip()

    def _read(self, *, is_last: bool) -> Iterator[Thinking | Token]:
        while match := _CONTROL.search(self._held):
            rest = self._held[match.end() :]
            if not is_last and _needs_more(match, rest):
                break
            before, self._held = self._held[: match.start()], rest
            yield from self._say(before)
            yield from self._obey(match, rest)
        start = len(self._held) if is_last else self._unfinished(match)
        said, self._held = self._held[:start], self._held[start:]
        yield from self._say(said)

    def _unfinished(self, match: re.Match[str] | None) -> int:
        """Return the offset of a tag, or of the possible start of one, in the held text."""
        if found := match or _UNFINISHED.search(self._held):
            return found.start()
        if self._begins and _FIRST.startswith(self._held):
            return 0
        sizes = range(1, len(_LAST)) if self._thinks else ()
        return len(self._held) - max(
            (n for n in sizes if self._held.endswith(_LAST[:n])), default=0
        )

    def _obey(self, match: re.Match[str], rest: str) -> Iterator[Thinking | Token]:
        if self._is_text(match, rest):
            yield from self._say(match[0])
        elif match["open"] or match["plain"]:
            self._thinks = self.has_thought = True
        elif match["close"] or match["final"]:
            if not self._thinks and self.answer.strip():
                yield Thinking(self.answer)
                self.answer = ""
            self._thinks = False
        elif match["channel"]:
            self._thinks = match["channel"].casefold() != "final"
        elif match["role"]:
            is_other = match["speaker"].casefold() not in ("", "assistant")
            self._is_over = is_other and bool(self.answer.strip())

    def _is_text(self, match: re.Match[str], rest: str) -> bool:
        """Return whether a tag is part of the answer's text rather than markup."""
        line = self.answer.rpartition("\n")[2]
        if match["open"]:
            return bool(line.strip()) or self._thinks
        if match["close"]:
            in_sentence = bool(line.strip()) and bool(rest.strip()) and not rest.startswith("\n")
            is_quoted = line.endswith("`") or _has_opening(self.answer)
            return not self._thinks and in_sentence and is_quoted
        if match["plain"]:
            return not self._begins
        if match["final"]:
            return not self._thinks
        if match["frame"]:
            return line.endswith("`")
        if match["end"]:
            follows = rest.lstrip()
            return bool(follows) and not _CONTROL.match(follows)
        return False

    def _say(self, text: str) -> Iterator[Thinking | Token]:
        self._begins = self._begins and not text
        if self._is_over or not text:
            return
        if self._thinks:
            yield Thinking(text)
            return
        text = text if self.answer else text.lstrip()
        self.answer += text
        if text:
            yield Token(text)


def read_whole(message: BaseMessage) -> ThinkingSplitter:
    """Return a splitter that has read the whole message."""
    splitter = ThinkingSplitter()
    list(splitter.push(message))
    list(splitter.close())
    return splitter


def answer_text(message: BaseMessage) -> str:
    """Return the text of a whole message without thinking."""
    return read_whole(message).answer


def _needs_more(match: re.Match[str], rest: str) -> bool:
    """Return whether the meaning of a tag depends on the next chunk."""
    if match["end"]:
        follows = _UNFINISHED.match(rest.lstrip())
        return not rest.strip() or follows is not None
    if match["close"]:
        return not rest.strip() and "\n" not in rest
    return bool(match["role"]) and not rest


def _has_opening(text: str) -> bool:
    return any(match["open"] for match in _CONTROL.finditer(text))


def _parts(message: BaseMessage) -> Iterator[tuple[bool, str]]:
    """Yield the texts of a message, and whether each is thinking."""
    beside = message.additional_kwargs.get("reasoning_content")
    if isinstance(beside, str) and beside:
        yield True, beside
    content = message.content if isinstance(message.content, list) else [message.content]
    for part in content:
        if isinstance(part, str):
            yield False, part
        elif part.get("type") in ("text", "output_text"):
            yield False, str(part.get("text", ""))
        elif part.get("type") in ("reasoning", "thinking", "thought"):
            yield from ((True, text) for text in _texts(part) if text)


def _texts(part: object) -> Iterable[str]:
    """Yield the texts in a thinking block, which may have parts and a summary."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for one in part:
            yield from _texts(one)
    elif isinstance(part, dict):
        for key in ("reasoning", "thinking", "text", "summary", "content"):
            yield from _texts(part.get(key))
