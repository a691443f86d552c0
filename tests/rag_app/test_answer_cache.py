from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from chat_server import Messages, chat_server
from running import Rag

from ingest import (
    EmbeddingModel,
    IndexSettings,
    ProviderError,
    UsageError,
    embedding_model,
    roll_back,
)
from rag_app import Answer, RagApp, Retrieved, Token
from rag_app.answer_cache import CACHE_FILE, CachedQuestion, CacheFile, usage_totals
from rag_app.cli.answer_output import stream_reply

pytest.importorskip("langchain_openai")

POND = "The pond was dug in 1998. It holds 4,000 litres of water. Frogs live in it."
QUESTION = "When was the pond dug?"
DUG = "The pond was dug in 1998. [1]"
PROMPT = "name: mine\ndescription: d\nsystem: {}\nuser: '{{context}} {{question}}'\n"
PROMPT += "variables: [context, question]\n"


@dataclass
class Model:
    """A chat model behind a server, that counts how often it is asked."""

    url: str = ""
    says: list[str] = field(default_factory=lambda: ["The pond was dug ", "in 1998 [1]."])
    asked: int = 0

    def write(self, messages: Messages) -> list[str]:
        self.asked += 1
        return self.says


@pytest.fixture(scope="module")
def pond_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pond")
    (folder / "documents").mkdir()
    (folder / "documents" / "pond.md").write_text(POND)
    (folder / "documents" / "garden.md").write_text("# Garden\n\nTomatoes are sown in March.")
    RagApp(documents=folder / "documents", index=folder / "index").index()
    return folder


@pytest.fixture
def folder(pond_index: Path, tmp_path: Path, bare_environment: Path) -> Path:
    """A folder of its own with documents and an index of them."""
    return Path(shutil.copytree(pond_index, tmp_path / "pond"))


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    with chat_server(model.write, cost=0.25) as url:
        model.url = url
        yield model


def app(folder: Path, model: Model, **settings: Any) -> RagApp:
    given = {"llm": "openai:m", "llm_base_url": model.url, **settings}
    made = RagApp(documents=folder / "documents", index=folder / "index", **given)
    made.__dict__["embedding"] = embedding()
    return made


@lru_cache
def embedding() -> EmbeddingModel:
    return embedding_model(IndexSettings())


def without_sentences(retrieved: Retrieved) -> Retrieved:
    return Retrieved(tuple(replace(chunk, sentences=()) for chunk in retrieved.chunks))


def without_account(answer: Answer) -> Answer:
    return replace(answer, usage={}, timings={})


@pytest.mark.parametrize("width", ["chunk", "neighbours", "section"])
def test_the_second_answer_is_the_first_and_asks_no_model(
    folder: Path, model: Model, width: str
) -> None:
    retrieved, *_, first = app(folder, model, width=width).stream(QUESTION)
    kept, token, second = app(folder, model, width=width).stream(QUESTION)
    asked = app(folder, model, width=width).ask(QUESTION)

    assert model.asked == 1
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert first.text == DUG
    assert first.usage == {
        "input_tokens": 7, "output_tokens": 3, "cost": 0.25, "dropped_chunks": 0,
    }  # fmt: skip
    assert isinstance(retrieved, Retrieved)
    assert isinstance(kept, Retrieved)
    assert (without_sentences(kept), token) == (without_sentences(retrieved), Token(DUG))
    assert kept.chunks[0].text == POND
    assert kept.chunks[0].language == "en"
    assert without_account(second) == without_account(asked) == without_account(first)
    assert second.usage == asked.usage == {"cached": 1, "dropped_chunks": 0}
    assert list(second.timings) == ["recall", "total"]


def test_chunks_are_kept_without_their_sentences_which_the_index_has(
    folder: Path, model: Model
) -> None:
    retrieved, *_ = app(folder, model).stream(QUESTION)
    app(folder, model).ask(QUESTION)
    kept, *_ = app(folder, model).stream(QUESTION)
    with closing(sqlite3.connect(folder / "index" / CACHE_FILE)) as connection:
        ((body,),) = connection.execute("SELECT answer FROM answers").fetchall()

    assert isinstance(retrieved, Retrieved)
    assert isinstance(kept, Retrieved)
    assert all(chunk.sentences for chunk in retrieved.chunks)
    assert [chunk.sentences for chunk in kept.chunks] == [()] * len(retrieved.chunks)
    assert kept == without_sentences(retrieved)
    assert [set(place) & {"text", "sentences"} for place in json.loads(body)["chunks"]] == [
        set()
    ] * len(kept.chunks)


async def test_asking_among_other_tasks_shares_the_cache(folder: Path, model: Model) -> None:
    first = await app(folder, model).aask(QUESTION)
    again = await app(folder, model).aask(QUESTION)
    events = [event async for event in app(folder, model).astream(QUESTION)]

    assert (model.asked, first.text) == (1, DUG)
    assert without_account(again) == without_account(first)
    assert again.usage["cached"] == 1
    assert events[:2] == list(app(folder, model).stream(QUESTION))[:2]
    assert [type(event) for event in events] == [Retrieved, Token, Answer]
    other = [event async for event in app(folder, model).astream(QUESTION + " ")]
    assert isinstance(other[-1], Answer)
    assert (await app(folder, model).aask(QUESTION + " ")).usage["cached"] == 1
    assert model.asked == 2


async def test_a_cache_that_is_waited_for_holds_no_other_task_up(
    folder: Path, model: Model
) -> None:
    asking = app(folder, model)
    await asking.aask(QUESTION)
    begun, beats = time.monotonic(), 0
    with closing(sqlite3.connect(folder / "index" / CACHE_FILE)) as other:
        other.execute("BEGIN EXCLUSIVE")
        task = asyncio.create_task(asking.aask(QUESTION))
        while not task.done():
            await asyncio.sleep(0.01)
            beats += 1
    assert (await task).text == DUG
    assert time.monotonic() - begun > 0.9
    assert beats > 10


async def test_what_rewriting_took_is_part_of_the_usage(folder: Path, model: Model) -> None:
    asking = app(folder, model, rewrite="hyde", cache=False)
    twice = {"input_tokens": 14, "output_tokens": 6, "cost": 0.5, "dropped_chunks": 0}
    several = asking.chain().batch([QUESTION] * 3)
    *_, streamed = asking.stream(QUESTION)
    assert isinstance(streamed, Answer)
    answers = [asking.ask(QUESTION), await asking.aask(QUESTION), streamed, *several]
    assert [answer.usage for answer in answers] == [twice] * 6
    assert usage_totals(asking.settings)["input_tokens"] == 3 * 14


def test_an_abstention_is_kept_too(folder: Path, model: Model) -> None:
    model.says = ["I don't know: the documents don't say."]
    assert app(folder, model).ask(QUESTION).abstained
    again = app(folder, model).ask(QUESTION)
    assert (again.abstained, again.usage["cached"], model.asked) == (True, 1, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"llm": "openai:other"},
        {"llm": ["openai:m", "extractive"]},
        {"top_k": 1},
        {"width": "section"},
        {"diversity": 0.5},
        {"llm_max_tokens": 100},
        {"prompt": "qa-strict"},
        {"rewrite": "hyde"},
    ],
    ids=str,
)
def test_another_setting_asks_anew(folder: Path, model: Model, settings: dict[str, Any]) -> None:
    app(folder, model).ask(QUESTION)
    before = model.asked
    assert "cached" not in app(folder, model, **settings).ask(QUESTION).usage
    assert model.asked > before


def test_another_question_filter_server_or_template_asks_anew(folder: Path, model: Model) -> None:
    template = folder / "mine.yaml"
    template.write_text(PROMPT.format("Answer."))
    mine = app(folder, model, prompt=str(template))
    mine.ask(QUESTION)
    mine.ask(QUESTION + " ")
    mine.ask(QUESTION, filter={"source": "pond.md"})
    template.write_text(PROMPT.format("Answers"))
    mine.ask(QUESTION)
    app(folder, model, prompt=str(template), llm_base_url=model.url + "/").ask(QUESTION)
    assert model.asked == 5
    mine.ask(QUESTION)
    assert model.asked == 5
    template.with_name("mine-pt.yaml").write_text(PROMPT.format("Responda."))
    mine.ask(QUESTION)
    assert model.asked == 6


def test_a_changed_index_asks_anew_and_one_rolled_back_does_not(folder: Path, model: Model) -> None:
    asking = app(folder, model)
    asking.index(rebuild=True)
    asking.ask(QUESTION)
    (folder / "documents" / "fence.md").write_text("Alice painted the fence.")
    asking.index()
    asking.ask(QUESTION)
    assert model.asked == 2
    asking.index(rebuild=True)
    asking.ask(QUESTION)
    assert model.asked == 3
    roll_back(asking.settings)
    assert asking.ask(QUESTION).usage["cached"] == 1
    assert model.asked == 3


def test_an_index_that_changes_during_the_answer_leaves_none(folder: Path, model: Model) -> None:
    asking = app(folder, model)
    asking.index(rebuild=True)
    events = asking.stream(QUESTION)
    next(events)
    (folder / "documents" / "fence.md").write_text("Alice painted the fence.")
    app(folder, model).index()
    assert isinstance(list(events)[-1], Answer)
    asking.ask(QUESTION)
    assert model.asked == 2


@pytest.mark.parametrize("settings", [{"llm_temperature": 0.5}, {"cache": False}], ids=str)
def test_what_may_differ_or_must_not_be_kept_is_asked_each_time(
    folder: Path, model: Model, settings: dict[str, Any]
) -> None:
    app(folder, model).ask(QUESTION)
    for _ in range(2):
        assert "cached" not in app(folder, model, **settings).ask(QUESTION).usage
    assert model.asked == 3


def test_extractive_answers_are_counted_and_not_kept(folder: Path, model: Model) -> None:
    for _ in range(2):
        assert "cached" not in app(folder, model, llm="extractive").ask(QUESTION).usage
    assert usage_totals(app(folder, model).settings)["questions"] == 2
    with closing(sqlite3.connect(folder / "index" / CACHE_FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (0,)


def test_a_failure_is_not_kept(folder: Path, model: Model) -> None:
    model.says = []
    with pytest.raises(ProviderError):
        app(folder, model).ask(QUESTION)
    model.says = [DUG]
    assert app(folder, model).ask(QUESTION).text == DUG


def test_a_stream_that_was_left_is_not_kept(folder: Path, model: Model) -> None:
    events = app(folder, model).stream(QUESTION)
    assert [type(next(events)) for _ in range(2)] == [Retrieved, Token]
    events.close()  # type: ignore[attr-defined]
    app(folder, model).ask(QUESTION)
    assert model.asked == 2


def test_an_answer_cut_at_its_longest_length_says_so_and_is_not_kept(folder: Path) -> None:
    model = Model()
    with chat_server(model.write, end="length") as model.url:
        for _ in range(2):
            assert app(folder, model).ask(QUESTION).usage["cut"] == 1
            assert [*app(folder, model).stream(QUESTION)][-1].usage["cut"] == 1  # type: ignore[union-attr]
    assert model.asked == 4


def test_the_answer_of_a_second_choice_is_not_kept(folder: Path, model: Model) -> None:
    llms = ["openai:m", "extractive"]
    model.says = []
    assert app(folder, model, llm=llms).ask(QUESTION).llm == "extractive"
    model.says = [DUG]
    assert app(folder, model, llm=llms).ask(QUESTION).llm == "openai:m"
    again = app(folder, model, llm=llms).ask(QUESTION)
    assert (again.llm, again.usage["cached"]) == ("openai:m", 1)


def test_an_answer_whose_quote_is_not_in_the_document_is_not_given(
    folder: Path, model: Model
) -> None:
    app(folder, model).ask(QUESTION)
    path = folder / "index" / CACHE_FILE
    with closing(sqlite3.connect(path)) as connection:
        key, answer = connection.execute("SELECT key, answer FROM answers").fetchone()
    record = json.loads(answer)
    record["answer"]["citations"][0]["quote"] = "The pond was dug in 1066."
    CacheFile(path).keep(key, json.dumps(record).encode())
    assert app(folder, model).ask(QUESTION).citations[0].quote == "The pond was dug in 1998."
    assert model.asked == 2


def test_a_record_of_another_shape_is_not_given(folder: Path, model: Model) -> None:
    app(folder, model).ask(QUESTION)
    path = folder / "index" / CACHE_FILE
    with closing(sqlite3.connect(path)) as connection:
        (key,) = connection.execute("SELECT key FROM answers").fetchone()
    for record in ({}, {"answer": {}, "chunks": []}, {"answer": 1, "chunks": 2}):
        CacheFile(path).keep(key, json.dumps(record).encode())
        assert app(folder, model).ask(QUESTION).text == DUG
    assert model.asked == 4


def test_a_damaged_cache_never_breaks_a_question(folder: Path, model: Model) -> None:
    app(folder, model).ask(QUESTION)
    (folder / "index" / CACHE_FILE).write_bytes(b"SQLite format 3\0 and then nothing")
    assert app(folder, model).ask(QUESTION).text == DUG
    assert app(folder, model).ask(QUESTION).usage["cached"] == 1
    assert model.asked == 2


def test_the_file_holds_no_key_no_password_and_only_the_text_that_is_quoted(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    url = model.url.replace("http://", "http://me:hidden@")
    app(folder, model, llm_base_url=url).ask(QUESTION)
    content = (folder / "index" / CACHE_FILE).read_bytes()
    assert b"dug in 1998" in content
    assert not [word for word in (b"sk-very", b"hidden", b"Frogs", b"Tomato") if word in content]


def test_other_weights_under_the_same_name_are_another_model(folder: Path, model: Model) -> None:
    weights = folder / "model" / "model.safetensors"
    weights.parent.mkdir()
    keys = set()
    for content in (b"one", b"other"):
        weights.write_bytes(content)
        asking = app(folder, model, llm=f"huggingface:{weights.parent}")
        keys |= {
            CachedQuestion(asking.settings, asking.store, QUESTION, None)._key,
            CachedQuestion(asking.settings, asking.store, QUESTION, {})._key,
        }
    assert len(keys) == 2
    assert None not in keys


def test_a_wrong_question_or_template_is_refused_as_ever(folder: Path, model: Model) -> None:
    with pytest.raises(UsageError, match="question is empty"):
        app(folder, model).ask(" ")
    with pytest.raises(UsageError, match="there is no prompt 'nowhere'"):
        app(folder, model, prompt="nowhere").ask(QUESTION)


def test_ask_says_when_an_answer_is_from_the_cache_and_no_cache_asks_again(
    rag_alone: Rag, folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_LLM_BASE_URL", model.url)
    options = ("--llm", "openai:m", "--index", str(folder / "index"))
    first = rag_alone("ask", QUESTION, *options)
    again = rag_alone("ask", QUESTION, *options)
    assert (again.code, again.out) == (0, first.out)
    assert (first.err, again.err) == ("", "note: answered from the cache\n")
    assert rag_alone("ask", QUESTION, *options, "--quiet").err == ""
    record = json.loads(rag_alone("ask", QUESTION, *options, "--json").out)
    assert record["usage"] == {"cached": 1, "dropped_chunks": 0}
    assert rag_alone("ask", QUESTION, *options, "--no-cache").out == first.out
    assert model.asked == 2
    status = json.loads(rag_alone("status", "--index", str(folder / "index"), "--json").out)
    assert status["usage"] == {
        "questions": 5, "cached": 3, "input_tokens": 14, "output_tokens": 6, "cost": 0.5,
    }  # fmt: skip
    shown = rag_alone("status", "--index", str(folder / "index")).out
    assert "questions   5, 3 of them from the cache\n" in shown
    assert "tokens      14 in, 6 out\ncost        0.5000\n" in shown


@pytest.mark.parametrize(
    ("usage", "notes"),
    [
        ({"dropped_chunks": 0}, ""),
        ({"dropped_chunks": 3}, "3 retrieved chunks did not fit into the model's context window"),
        ({"cut": 1}, "the answer was cut at its maximum length: raise llm_max_tokens"),
    ],
)
def test_what_was_left_out_is_noted(
    usage: dict[str, int], notes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = Answer(QUESTION, DUG, usage=usage)
    stream_reply([Retrieved(()), answer])
    assert capsys.readouterr().err == (notes and f"note: {notes}\n")
    stream_reply([Retrieved(()), answer], quiet=True)
    assert capsys.readouterr().err == ""
