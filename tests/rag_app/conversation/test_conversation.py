"""Questions that build on each other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chat_server import Messages, chat_server, is_condensing
from running import DOCUMENTS, QUESTION

from ingest import ProviderError, UsageError
from rag_app import Answer, Condensed, RagApp, Retrieved, Thinking, Token
from rag_app.answer_cache import usage_totals
from rag_app.conversation import Conversation, Turn

FOLLOW_UP = "And when did they do it?"
WITH_TOPIC = "And when did they do it? (published word2vec)"
REWRITTEN = "When was word2vec published?"


def write(messages: Messages) -> Iterator[str]:
    yield REWRITTEN if is_condensing(messages) else "Word2vec was published in 2013. [1]"


@pytest.fixture
def app(sample_index: Path) -> RagApp:
    return RagApp(documents=DOCUMENTS, index=sample_index)


@pytest.fixture
def server() -> Iterator[str]:
    with chat_server(write) as base_url:
        yield base_url


@pytest.fixture
def written(sample_index: Path, server: str) -> RagApp:
    """The app with a model that writes."""
    return RagApp(documents=DOCUMENTS, index=sample_index, llm="openai:m", llm_base_url=server)


def test_a_follow_up_carries_the_topic_over_without_a_model(app: RagApp) -> None:
    chat = app.chat()
    first, second = chat.ask(QUESTION), chat.ask(FOLLOW_UP)

    assert first == replace(app.ask(QUESTION), timings=first.timings)
    assert second.question == FOLLOW_UP
    assert second.citations == app.ask(WITH_TOPIC).citations
    assert second.usage["dropped_turns"] == 0
    assert next(iter(second.timings)) == "condense"
    stages = (seconds for stage, seconds in second.timings.items() if stage != "total")
    assert second.timings["total"] == pytest.approx(sum(stages))
    assert chat.history == (Turn(QUESTION, QUESTION, first), Turn(FOLLOW_UP, WITH_TOPIC, second))


def test_a_stream_tells_the_rewritten_question_first(written: RagApp) -> None:
    chat = written.chat()
    chat.ask(QUESTION)
    condensed, retrieved, *tokens, answer = chat.stream(FOLLOW_UP)

    assert condensed == Condensed(REWRITTEN)
    assert isinstance(retrieved, Retrieved)
    assert list(retrieved.chunks) == written.search(REWRITTEN)
    assert "".join(t.text for t in tokens if isinstance(t, Token)) == (
        "Word2vec was published in 2013. [1]"
    )
    assert isinstance(answer, Answer)
    assert (answer.question, answer.llm) == (FOLLOW_UP, "openai:m")
    assert chat.history[-1] == Turn(FOLLOW_UP, REWRITTEN, answer)


def test_what_rewriting_a_follow_up_took_is_part_of_its_usage_and_the_totals(
    sample_index: Path, tmp_path: Path
) -> None:
    index = Path(shutil.copytree(sample_index, tmp_path / "index"))
    with chat_server(write, cost=0.25) as base_url:
        app = RagApp(documents=DOCUMENTS, index=index, llm="openai:m", llm_base_url=base_url)
        before = usage_totals(app.settings)
        first, second = (chat := app.chat()).ask(QUESTION), chat.ask(FOLLOW_UP)
        *_, again = Conversation(app, chat.history[:1]).stream(FOLLOW_UP)
    once = {"input_tokens": 7, "output_tokens": 3, "cost": 0.25}
    twice = {"input_tokens": 14, "output_tokens": 6, "cost": 0.5}
    assert isinstance(again, Answer)
    assert first.usage == once | {"dropped_chunks": 0}
    assert second.usage == twice | {"dropped_chunks": 0, "dropped_turns": 0}
    assert again.usage == once | {"cached": 1, "dropped_chunks": 0, "dropped_turns": 0}
    after = usage_totals(app.settings)
    assert {name: after[name] - before[name] for name in after} == {
        "questions": 3, "cached": 1, "input_tokens": 28, "output_tokens": 12, "cost": 1.0,
    }  # fmt: skip


def test_a_question_that_fails_is_not_remembered(sample_index: Path) -> None:
    with chat_server(lambda messages: ()) as base_url:
        chat = RagApp(index=sample_index, llm="openai:m", llm_base_url=base_url).chat()
        with pytest.raises(ProviderError, match="the model is unknown"):
            chat.ask(QUESTION)
    assert chat.history == ()


def test_a_stream_that_is_left_is_not_remembered(app: RagApp) -> None:
    chat = app.chat()
    next(chat.stream(QUESTION))
    assert chat.history == ()


def test_a_cleared_conversation_starts_anew(app: RagApp) -> None:
    chat = app.chat()
    chat.ask(QUESTION)
    chat.clear()
    chat.ask(FOLLOW_UP)
    assert [turn.condensed for turn in chat.history] == [FOLLOW_UP]


def test_another_model_goes_on_with_the_history_and_the_open_index(
    app: RagApp, server: str
) -> None:
    app.settings = app.settings.model_copy(update={"llm_base_url": server})
    chat = app.chat()
    chat.ask(QUESTION)
    before = chat.app
    chat.use("openai:m")
    chat.ask(FOLLOW_UP)
    chat.use("extractive")
    chat.ask("What is a token?")

    assert [turn.answer.llm for turn in chat.history] == ["extractive", "openai:m", "extractive"]
    assert chat.history[1].condensed == REWRITTEN
    assert chat.app.store is before.store
    assert chat.app.embedding is before.embedding


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("nonsense", "not a chat model", id="unknown"),
        pytest.param("openai:m", "set OPENAI_API_KEY", id="no key"),
        pytest.param("huggingface:./nowhere", "nowhere", id="no weights"),
    ],
)
def test_a_wrong_name_leaves_the_model_in_place(
    app: RagApp, bare_environment: Path, name: str, message: str
) -> None:
    chat = app.chat()
    with pytest.raises((UsageError, ProviderError), match=message):
        chat.use(name)
    assert chat.ask(QUESTION).llm == "extractive"


def test_another_prompt_is_used_until_there_is_none(written: RagApp) -> None:
    chat = written.chat()
    chat.use_prompt("qa-strict")
    assert chat.app.chain().prompt is not None
    with pytest.raises(UsageError, match="no prompt 'haiku'"):
        chat.use_prompt("haiku")
    with pytest.raises(UsageError, match="needs one that takes context and question"):
        chat.use_prompt("condense")
    assert chat.app.settings.prompt == "qa-strict"
    chat.use_prompt(None)
    assert chat.app.chain().prompt is None


def test_a_saved_conversation_goes_on_where_it_was(app: RagApp, tmp_path: Path) -> None:
    chat = app.chat()
    for question in (QUESTION, "Quem é\u2028?"):
        chat.ask(question)
    chat.save(tmp_path / "talk.jsonl")
    chat.save(tmp_path / "talk.jsonl")
    lines = (tmp_path / "talk.jsonl").read_bytes().decode().split("\n")
    resumed = app.chat(tmp_path / "talk.jsonl")

    assert [list(json.loads(line)) for line in lines[:-1]] == [
        ["question", "condensed", "answer"]
    ] * 2
    assert json.loads(lines[0])["answer"] == chat.history[0].answer.to_record()
    assert resumed.history == chat.history
    assert [path.name for path in tmp_path.iterdir()] == ["talk.jsonl"]


def test_saving_replaces_nothing_but_a_conversation(app: RagApp, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Mine\n")
    with pytest.raises(UsageError, match=r"line 1 of .*notes.md is not a turn"):
        app.chat().save(tmp_path / "notes.md")
    assert (tmp_path / "notes.md").read_text() == "# Mine\n"
    with pytest.raises(UsageError, match=r"can't be written: No such file"):
        app.chat().save(tmp_path / "nowhere" / "talk.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="a list"),
        pytest.param('{"question": "q", "condensed": "q"}', id="no answer"),
        pytest.param('{"question": "q", "condensed": "q", "answer": "a"}', id="a bare text"),
    ],
)
def test_a_line_that_is_no_turn_is_named(app: RagApp, tmp_path: Path, line: str) -> None:
    chat = app.chat()
    chat.ask(QUESTION)
    chat.save(tmp_path / "talk.jsonl")
    with (tmp_path / "talk.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UsageError, match=r"line 2 of .*talk.jsonl is not a turn"):
        app.chat(tmp_path / "talk.jsonl")


def test_a_missing_conversation_is_a_usage_error(app: RagApp, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.jsonl can't be read: No such file"):
        app.chat(tmp_path / "none.jsonl")


THOUGHT = "Text [1] names a year, and so does [2]."


@pytest.mark.parametrize("tags", [("<think>", "</think>\n"), ("", "</think>\n\n")])
def test_what_a_model_thinks_is_neither_asked_nor_remembered_nor_kept(
    sample_index: Path, tmp_path: Path, tags: tuple[str, str]
) -> None:
    index = Path(shutil.copytree(sample_index, tmp_path / "index"))
    asked: list[str] = []

    def think(messages: Messages) -> Iterator[str]:
        asked.append("\n".join(message["content"] for message in messages))
        yield f"{tags[0]}{THOUGHT}{tags[1]}"
        yield from write(messages)

    with chat_server(think) as url:
        app = RagApp(documents=DOCUMENTS, index=index, llm="openai:m", llm_base_url=url)
        chat = app.chat()
        chat.ask(QUESTION)
        condensed, *events = chat.stream(FOLLOW_UP)
        again = app.ask(REWRITTEN)

    assert condensed == Condensed(REWRITTEN)
    assert "".join(e.text for e in events if isinstance(e, Thinking)).strip() == THOUGHT
    assert len(asked) == 3  # two answers and a rewriting; the last was in the cache
    assert not any(THOUGHT in text for text in asked)
    assert again.usage["cached"] == 1
    chat.save(tmp_path / "chat.jsonl")
    assert THOUGHT not in (tmp_path / "chat.jsonl").read_text()
    for answer in (*(turn.answer for turn in chat.history), again):
        assert answer.text == "Word2vec was published in 2013. [1]"
        assert answer.unsupported == ()


def test_wordings_for_the_search_are_without_thoughts(sample_index: Path) -> None:
    def think(messages: Messages) -> Iterator[str]:
        yield f"<think>{THOUGHT}</think>\n"
        yield from write(messages)

    with chat_server(think) as url:
        app = RagApp(
            index=sample_index, llm="openai:m", llm_base_url=url, rewrite="multi-query", cache=False
        )
        assert app._rewrite is not None
        assert app._rewrite(QUESTION) == ["Word2vec was published in 2013. [1]"]
