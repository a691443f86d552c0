from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from running import DOCUMENTS, QUESTION, in_a_process

from ingest import IndexMissingError, ProviderError, UsageError
from rag_app import RagApp, Retrieved
from rag_app.chain import RetrievalQA, retrieval_qa

pytest.importorskip("opentelemetry.sdk")
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

ASKED = "When was the pond dug?"
POND = Document("The pond was dug in 1998.", metadata={"source": "pond.md", "start": 0})
STAGES = ["retrieve", "prompt", "generate", "verify"]


class OneDocument(BaseRetriever):
    handlers: list[Any] = []  # noqa: RUF012
    error: Exception | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.handlers.extend(run_manager.handlers)
        if self.error:
            raise self.error
        return [POND]


class Failing(GenericFakeChatModel):
    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise ProviderError("no answer to 'When was the pond dug?'")


def chain(text: str = "The pond was dug in 1998 [1].", **options: Any) -> RetrievalQA:
    usage = {"input_tokens": 70, "output_tokens": 9, "total_tokens": 79}
    message = AIMessage(text, usage_metadata=usage)
    llm = options.pop("llm", None) or GenericFakeChatModel(messages=iter([message]))
    retriever = OneDocument(error=options.pop("error", None))
    return retrieval_qa(retriever, llm, llm_name="fake:one", **options)


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Callable[[], list[ReadableSpan]]:
    exporter.clear()
    return lambda: list(exporter.get_finished_spans())


async def invoked(qa: RetrievalQA) -> None:
    qa.invoke(ASKED)


async def streamed(qa: RetrievalQA) -> None:
    list(qa.stream(ASKED))


async def ainvoked(qa: RetrievalQA) -> None:
    await qa.ainvoke(ASKED)


async def astreamed(qa: RetrievalQA) -> None:
    _ = [event async for event in qa.astream(ASKED)]


WAYS = [invoked, streamed, ainvoked, astreamed]


@pytest.mark.parametrize("ask", WAYS)
async def test_an_answer_is_a_span_with_its_stages_inside(
    ask: Callable[[RetrievalQA], Awaitable[None]], spans: Callable[[], list[ReadableSpan]]
) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        await ask(chain())
    *stages, answer, _ = spans()

    assert [span.name for span in stages] == STAGES
    assert answer.name == "answer"
    assert answer.parent
    assert answer.parent.span_id == request.get_span_context().span_id
    assert {span.parent and span.parent.span_id for span in stages} == {answer.context.span_id}
    assert {span.status.status_code for span in (*stages, answer)} == {StatusCode.UNSET}
    edges = [moment for span in stages for moment in (span.start_time, span.end_time)]
    assert edges == sorted(edges, key=int)
    assert answer.start_time <= edges[0] <= edges[-1] <= answer.end_time
    shown = {key: value for span in stages for key, value in (span.attributes or {}).items()}
    told = {"rag.input_tokens": 70, "rag.output_tokens": 9}  # this model's stream does not tell
    assert shown == (told if ask in (invoked, ainvoked) else {}) | {
        "rag.chunks": 1,
        "rag.dropped_chunks": 0,
        "rag.llm": "fake:one",
        "rag.citations": 1,
        "rag.abstained": False,
    }


@pytest.mark.parametrize(
    ("options", "failed"),
    [
        ({"error": IndexMissingError("nothing about the pond")}, ["retrieve"]),
        ({"window": 600}, ["retrieve", "prompt"]),
        ({"llm": Failing(messages=iter([]))}, STAGES[:3]),
        ({"text": " "}, STAGES[:3]),
    ],
    ids=["retrieve", "prompt", "generate", "empty"],
)
@pytest.mark.parametrize("ask", WAYS)
async def test_the_stage_that_failed_says_so_without_the_question(
    ask: Callable[[RetrievalQA], Awaitable[None]],
    options: dict[str, Any],
    failed: list[str],
    spans: Callable[[], list[ReadableSpan]],
) -> None:
    with pytest.raises((IndexMissingError, UsageError, ProviderError)) as raised:
        await ask(chain(**options))
    *before, last, answer = spans()
    assert [span.name for span in (*before, last, answer)] == [*failed, "answer"]
    assert {span.status.status_code for span in before} <= {StatusCode.UNSET}
    for span in (last, answer):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == raised.type.__name__


def test_no_span_holds_what_was_asked_read_or_answered(
    spans: Callable[[], list[ReadableSpan]],
) -> None:
    chain().invoke(ASKED)
    with pytest.raises(ProviderError):
        chain(llm=Failing(messages=iter([]))).invoke(ASKED)
    everything = "".join(span.to_json() for span in spans())
    assert not [word for word in ("pond", "1998", "dug") if word in everything]


def test_to_leave_a_stream_is_no_error(spans: Callable[[], list[ReadableSpan]]) -> None:
    events = chain().stream(ASKED)
    assert isinstance(next(events), Retrieved)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert [span.name for span in spans()] == [*STAGES[:3], "answer"]
    assert {span.status.status_code for span in spans()} == {StatusCode.UNSET}


async def test_to_cancel_a_task_is_no_error(spans: Callable[[], list[ReadableSpan]]) -> None:
    asked = asyncio.Event()

    class Slow(GenericFakeChatModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            asked.set()
            await asyncio.sleep(600)

    task = asyncio.create_task(chain(llm=Slow(messages=iter([]))).ainvoke(ASKED))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [span.name for span in spans()] == [*STAGES[:3], "answer"]
    assert {span.status.status_code for span in spans()} == {StatusCode.UNSET}


def test_an_answer_from_the_cache_is_a_span_too(
    tmp_path: Path, bare_environment: Path, spans: Callable[[], list[ReadableSpan]]
) -> None:
    pytest.importorskip("langchain_openai")
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "pond.md").write_text(POND.page_content)
    with chat_server(lambda messages: ["The pond was dug in 1998 [1]."]) as url:
        app = RagApp(
            documents=tmp_path / "documents",
            index=tmp_path / "index",
            llm="openai:m",
            llm_base_url=url,
        )
        app.index()
        app.ask(ASKED)
        app.ask(ASKED)
    assert [span.name for span in spans()] == [*STAGES, "answer", "recall", "answer"]
    assert dict(spans()[-2].attributes or {}) == {"rag.cached": True}


def test_it_is_not_needed_to_answer(sample_index: Path) -> None:
    run = in_a_process(
        "import sys; sys.modules['opentelemetry'] = None",
        ["ask", QUESTION, "--index", str(sample_index)],
        "print([name for name in sys.modules if 'telemetry' in name], file=sys.stderr)",
    )
    assert (run.code, run.err) == (0, "['opentelemetry', 'rag_app.telemetry']\n")


@pytest.mark.parametrize("name", ["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"])
def test_nothing_is_sent_to_langsmith_unless_its_own_variables_say_so(
    name: str, sample_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langsmith.utils import get_env_var, tracing_is_enabled

    for variable in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2"):
        monkeypatch.delenv(variable, raising=False)
    get_env_var.cache_clear()
    retriever = OneDocument(handlers=[])
    RagApp(documents=DOCUMENTS, index=sample_index).chain(retriever=retriever).invoke(ASKED)
    assert (retriever.handlers, tracing_is_enabled()) == ([], False)

    monkeypatch.setenv(name, "true")
    get_env_var.cache_clear()
    assert tracing_is_enabled()
    get_env_var.cache_clear()
