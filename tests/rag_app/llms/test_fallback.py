"""One model after another: who answers, what is said about the others, and what is never mixed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faults import cut, faulty_server, finished, status
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever
from pydantic import SecretStr

from ingest import EmbeddingModel, ProviderError, embedding_model
from rag_app import RagApp, Retrieved, Token
from rag_app.chain import retrieval_qa
from rag_app.extractive.evidence import Evidence, with_evidence
from rag_app.llms import chat_model
from rag_app.llms.fallback import FallbackChatModel
from rag_app.settings import Settings, llm_names, load_settings
from rag_app.types import Answer, ScoredChunk

pytest.importorskip("langchain_openai")

from rag_app.llms.chat_openai import OpenAIChatModel, openai_chat_model

KEY = "sk-test-0123456789abcdefghij"
QUESTION = "Who published word2vec?"
REFUSED = status(401, "bad key: {head}")


@pytest.fixture
def models() -> Iterator[Callable[..., FallbackChatModel]]:
    """Make a model of servers that fail, or don't, in their own way."""
    with ExitStack() as servers:

        def make(**faults: Any) -> FallbackChatModel:
            return FallbackChatModel(
                models={
                    name: openai_chat_model(
                        name,
                        base_url=servers.enter_context(faulty_server(fault)),
                        api_key=SecretStr(KEY),
                        max_tokens=16,
                        temperature=0.0,
                        timeout=300.0,
                    )
                    for name, fault in faults.items()
                }
            )

        yield make


async def invoke(model: BaseChatModel) -> Any:
    return model.invoke("hello")


async def ainvoke(model: BaseChatModel) -> Any:
    return await model.ainvoke("hello")


async def stream(model: BaseChatModel) -> Any:
    return _sum(list(model.stream("hello")))


async def astream(model: BaseChatModel) -> Any:
    chunks: AsyncIterator[Any] = model.astream("hello")
    return _sum([chunk async for chunk in chunks])


def _sum(chunks: list[Any]) -> Any:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    return first


CALLS = [invoke, ainvoke, stream, astream]


@pytest.mark.parametrize("call", CALLS)
async def test_the_next_model_answers_and_the_failure_is_told_without_the_key(
    call: Any, models: Callable[..., FallbackChatModel], caplog: pytest.LogCaptureFixture
) -> None:
    message = await call(models(refused=REFUSED, broken=status(500, "{head}"), ready=finished))
    assert (message.text, message.response_metadata["llm"]) == ("Paris", "ready")
    told = [record.getMessage() for record in caplog.records if record.name.startswith("rag_app")]
    assert [line.partition(" at ")[0] for line in told] == ["openai:refused", "openai:broken"]
    assert "the key was refused (401)" in told[0]
    assert told[0].endswith("asking broken instead")
    assert KEY not in "".join(told)


@pytest.mark.parametrize("call", CALLS)
async def test_when_all_fail_the_last_failure_is_raised(
    call: Any, models: Callable[..., FallbackChatModel]
) -> None:
    with pytest.raises(ProviderError, match=r"openai:broken at .* failed"):
        await call(models(refused=REFUSED, broken=status(500)))


@pytest.mark.parametrize("call", [stream, astream])
async def test_after_the_first_word_a_failure_is_a_failure(
    call: Any, models: Callable[..., FallbackChatModel]
) -> None:
    model = models(cut=cut, ready=finished)
    chunks = model.stream("hello")
    assert [next(chunks).text, next(chunks).text] == ["The capital", " of"]
    with pytest.raises(ProviderError, match="openai:cut broke off in the middle"):
        next(chunks)
    with pytest.raises(ProviderError, match="broke off in the middle"):
        await call(model)


def test_an_answer_without_words_is_asked_of_the_next(
    models: Callable[..., FallbackChatModel], caplog: pytest.LogCaptureFixture
) -> None:
    def silent(connection: Any, request: str) -> None:
        finished(_Without(connection), request)

    chunks = list(models(silent=silent, ready=finished).stream("hello"))
    assert "".join(chunk.text for chunk in chunks) == "Paris"
    assert "silent answered nothing; asking ready instead" in caplog.text


class _Without:
    """A connection that loses every word."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def sendall(self, data: bytes) -> None:
        self.connection.sendall(data.replace(b'"Par"', b'""').replace(b'"is"', b'""'))


@pytest.fixture(scope="module")
def embedding() -> EmbeddingModel:
    return embedding_model(Settings())


def test_extractive_stands_in_for_a_model_that_fails(
    models: Callable[..., FallbackChatModel], embedding: EmbeddingModel
) -> None:
    extractive = chat_model("extractive", Settings(), embedding)
    model = FallbackChatModel(models={**models(refused=REFUSED).models, "extractive": extractive})
    chunk = ScoredChunk("Word2vec was published by Tomas Mikolov.", "a.md", 0, 40)
    evidence = Evidence(QUESTION, [chunk])
    answer = model.invoke(with_evidence([HumanMessage(QUESTION)], evidence))
    assert "Mikolov" in answer.text
    assert answer.response_metadata["llm"] == "extractive"


@pytest.mark.parametrize("rewrite", ["multi-query", "hyde"])
def test_a_question_is_searched_as_it_is_when_only_extractive_is_left(
    rewrite: str, sample_index: Path
) -> None:
    with faulty_server(REFUSED) as base_url:
        app = RagApp(
            index=sample_index,
            llm="openai:a,extractive",
            llm_base_url=base_url,
            openai_api_key=KEY,
            rewrite=rewrite,
        )
        found = app.search(QUESTION)
    assert found == RagApp(index=sample_index).search(QUESTION)


class _Documents(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
        text = "Paris is the capital of France. "
        return [ScoredChunk(text * 8, f"{n}.md", 0, len(text) * 8).to_document() for n in range(9)]


def test_each_model_gets_as_many_chunks_as_it_has_room_for(
    models: Callable[..., FallbackChatModel],
) -> None:
    asked: list[str] = []

    def record(connection: Any, request: str) -> None:
        asked.append(request)
        (REFUSED if len(asked) == 1 else finished)(connection, request)

    model = models(large=record, small=record)

    class Small(OpenAIChatModel):
        window: int = 500

    url = model.models["small"].openai_api_base
    small = Small(model="small", base_url=url, api_key=SecretStr(KEY), max_tokens=16, timeout=300)
    model = FallbackChatModel(models={**model.models, "small": small})
    events = list(retrieval_qa(_Documents(), model).stream("What is the capital of France?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.llm == "small"
    assert [request.count("Paris is the capital") // 8 for request in asked] == [
        9,
        9 - answer.usage["dropped_chunks"],
    ]
    assert 0 < answer.usage["dropped_chunks"] < 9
    assert isinstance(events[0], Retrieved)
    assert len(events[0].chunks) == 9


def test_the_app_answers_with_the_next_model(
    sample_index: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with faulty_server(REFUSED) as base_url:
        app = RagApp(
            index=sample_index,
            llm=["openai:a", "extractive"],
            llm_base_url=base_url,
            openai_api_key=KEY,
        )
        *before, answer = app.stream(QUESTION)
        assert app.ask(QUESTION).text == answer.text
    assert answer.llm == "extractive"
    assert "Mikolov" in answer.text
    assert answer.citations[0].verified
    assert "".join(e.text for e in before if isinstance(e, Token)) == answer.text
    assert KEY not in caplog.text


def test_the_command_tells_who_failed_even_when_quiet(rag: Any, monkeypatch: Any) -> None:
    with faulty_server(REFUSED) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        run = rag("ask", QUESTION, "--llm", "openai:a, extractive", "--quiet")
    assert run.code == 0
    assert "Mikolov" in run.out
    assert run.err.startswith("note: openai:a at 127.0.0.1:")
    assert "the key was refused (401)" in run.err
    assert run.err.count("asking extractive instead\n") == 1
    assert KEY not in run.err


def test_a_model_without_its_key_is_passed_over_and_that_is_told(rag: Any) -> None:
    run = rag("ask", QUESTION, "--llm", "openai:a, extractive", "--json")
    assert (run.code, json.loads(run.out)["llm"]) == (0, "extractive")
    assert "openai:a needs a key: set OPENAI_API_KEY" in run.err
    assert run.err.count("asking extractive instead\n") == 1
    assert rag("ask", QUESTION, "--llm", "openai:a, openai:b").code == 2


def test_a_conversation_goes_on_with_the_next_model(rag: Any, monkeypatch: Any) -> None:
    with faulty_server(REFUSED) as base_url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", base_url)
        asked = f"{QUESTION}\nAnd when did they do it?\n"
        run = rag("chat", "--llm", "openai:a,extractive", stdin=asked)
    assert run.code == 0
    assert "(asking: And when did they do it? (published word2vec))" in run.err
    assert run.err.count("asking extractive instead") == 3


@pytest.mark.parametrize(
    ("llm", "names"),
    [
        pytest.param("extractive", ["extractive"], id="one"),
        pytest.param(
            "openai:a/b:latest , extractive", ["openai:a/b:latest", "extractive"], id="two"
        ),
        pytest.param(
            "huggingface:./models, old/a.gguf,openai:b",
            ["huggingface:./models, old/a.gguf", "openai:b"],
            id="comma in a path",
        ),
    ],
)
def test_names_are_parted_before_a_provider(llm: str, names: list[str]) -> None:
    assert llm_names(llm) == names


def test_a_list_in_the_file_is_the_same_as_commas_in_the_environment(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("rag.toml").write_text('llm = ["openai:a", "extractive"]')
    from_file = load_settings().llm
    monkeypatch.setenv("RAG_LLM", "openai:a,extractive")
    assert from_file == load_settings().llm == "openai:a,extractive"
