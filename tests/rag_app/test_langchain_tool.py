"""The documents as a tool: called by hand, and by an agent over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import Messages, chat_server
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from running import DOCUMENTS, QUESTION

from ingest import IndexMissingError
from rag_app import RagApp
from rag_app.langchain_tool import ToolArtifact
from rag_app.settings import Settings

EXAMPLE = DOCUMENTS.parents[1] / "examples" / "agent.py"
WORD2VEC = "Word2vec was published in 2013 by Tomas Mikolov and colleagues at Google."
LORA = (
    "A técnica LoRA (Low-Rank Adaptation) foi publicada em junho de 2021 por Edward Hu e colegas, "
    "da Microsoft."
)


@pytest.fixture(scope="module")
def app(sample_index: Path) -> RagApp:
    return RagApp(Settings(documents=DOCUMENTS, index=sample_index))


def call(question: str) -> dict[str, Any]:
    return {"name": "ask_documents", "args": {"question": question}, "id": "1", "type": "tool_call"}


def assert_exact(app: RagApp, artifact: ToolArtifact) -> None:
    for citation in artifact.answer.citations:
        document = app.document(citation.source)
        assert document is not None
        assert document.text[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    ("question", "source", "quote"),
    [
        pytest.param(QUESTION, "en/embeddings.md, line 7", WORD2VEC, id="English"),
        pytest.param(
            "Quando foi publicado o LoRA?",
            "pt/ajuste-fino-ou-prompt.html, "
            "Ajuste fino ou engenharia de prompt? > Ajuste fino > LoRA",
            LORA,
            id="Portuguese",
        ),
    ],
)
def test_the_model_reads_the_answer_with_its_quotes(
    app: RagApp, question: str, source: str, quote: str
) -> None:
    message = app.tool().invoke(call(question))

    assert isinstance(message, ToolMessage)
    assert message.content == f'{quote} [1]\n\n[1] {source}: "{quote}"'
    assert message.status == "success"


def test_the_program_gets_the_answer_and_the_chunks(app: RagApp) -> None:
    artifact = app.tool().invoke(call(QUESTION)).artifact

    assert artifact.answer.text == app.ask(QUESTION).text
    assert [one.quote for one in artifact.answer.citations] == [WORD2VEC]
    assert artifact.chunks == tuple(app.search(QUESTION))
    assert_exact(app, artifact)


async def test_the_tool_can_be_awaited(app: RagApp) -> None:
    message = await app.tool().ainvoke(call(QUESTION))

    assert message.content == app.tool().invoke(call(QUESTION)).content
    assert message.artifact.chunks == tuple(app.search(QUESTION))


def test_where_nothing_answers_the_model_reads_the_nearest_texts(app: RagApp) -> None:
    question = "Who won the 1998 football world cup?"
    message = app.tool().invoke(call(question))

    first, _, rest = str(message.content).partition("\n\n")
    assert first == "I don't know: the documents don't say."
    assert rest.startswith("The texts that come nearest:\n\n[1] ")
    assert message.artifact.answer.citations == ()
    assert all(chunk.source in rest for chunk in message.artifact.chunks)
    assert len(message.artifact.chunks) == app.settings.top_k


def test_what_has_no_support_is_named(app: RagApp) -> None:
    writing = app.using()
    writing.__dict__["llm"] = FakeListChatModel(responses=[f"{WORD2VEC} [1] It cost nine euros."])

    content = str(writing.tool().invoke(call(QUESTION)).content)

    assert content.endswith("\n\nWithout support in the documents: It cost nine euros.")


def test_a_blank_question_goes_back_to_the_model(app: RagApp) -> None:
    message = app.tool().invoke(call("  "))

    assert (message.status, message.artifact) == ("error", None)
    assert message.content == "the question is empty: ask something, in a word or more"


def test_a_missing_index_is_raised(tmp_path: Path) -> None:
    app = RagApp(Settings(documents=DOCUMENTS, index=tmp_path / "none"))

    with pytest.raises(IndexMissingError, match="run 'rag index'"):
        app.tool().invoke(call(QUESTION))


def test_a_model_is_told_when_to_use_the_tool(app: RagApp) -> None:
    tool = app.tool()

    assert tool.name == "ask_documents"
    assert list(tool.args) == ["question"]
    assert "documents" in tool.description
    assert "quotes" in tool.description


def ask_tool(messages: Messages) -> tuple[str, dict[str, str]] | None:
    """Call the tool with what was asked, once."""
    asked = messages[-1]
    return ("ask_documents", {"question": asked["content"]}) if asked["role"] == "user" else None


def repeat_tool(messages: Messages) -> Iterator[str]:
    """Answer with the first sentence that the tool gave."""
    assert messages[-1]["role"] == "tool"
    yield f"Your documents say: {messages[-1]['content'].partition(' [1]')[0]}"


def test_an_agent_calls_the_tool_and_answers_from_it(app: RagApp) -> None:
    with chat_server(repeat_tool, call=ask_tool) as base_url:
        model = RagApp(
            app.settings.model_copy(update={"llm": "openai:m", "llm_base_url": base_url})
        )
        agent = create_agent(model.llm, [app.tool()])
        messages = agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]

    asked, called, told, said = messages
    assert asked.content == QUESTION
    assert isinstance(called, AIMessage)
    assert [(one["name"], one["args"]) for one in called.tool_calls] == [
        ("ask_documents", {"question": QUESTION})
    ]
    assert isinstance(told, ToolMessage)
    assert [(one.source, one.quote, one.verified) for one in told.artifact.answer.citations] == [
        ("en/embeddings.md", WORD2VEC, True)
    ]
    assert len(told.artifact.chunks) == app.settings.top_k
    assert_exact(app, told.artifact)
    assert said.content == f"Your documents say: {WORD2VEC}"


async def test_an_agent_may_be_awaited(app: RagApp) -> None:
    with chat_server(repeat_tool, call=ask_tool) as base_url:
        model = RagApp(
            app.settings.model_copy(update={"llm": "openai:m", "llm_base_url": base_url})
        )
        agent = create_agent(model.llm, [app.tool()])
        state = await agent.ainvoke({"messages": [HumanMessage(QUESTION)]})

    assert state["messages"][-1].content == f"Your documents say: {WORD2VEC}"


@pytest.mark.slow
def test_the_example_prints_the_answer_and_its_quotes(sample_index: Path) -> None:
    with chat_server(repeat_tool, call=ask_tool) as base_url:
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "openai:m", QUESTION],
            env=os.environ
            | {
                "RAG_LLM_BASE_URL": base_url,
                "RAG_INDEX": str(sample_index),
                "RAG_DOCUMENTS": str(DOCUMENTS),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"Your documents say: {WORD2VEC}\n\nasked: {QUESTION}\n[1] en/embeddings.md: {WORD2VEC}\n"
    )
