"""Providers of other integrations: their failures, their keys, and what to install."""

from __future__ import annotations

import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from faults import faulty_server, status
from pydantic import SecretStr

from ingest import ProviderError, UsageError
from rag_app.llms import chat_model
from rag_app.llms.langchain_provider import LangChainChatModel
from rag_app.settings import Settings

KEY = "gsk-0123456789abcdef"
# What langchain_groq would be, as far as a chat model needs it.
INTEGRATION = """
from typing import Any
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, AIMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import SecretStr

class ChatGroq(BaseChatModel):
    model: str
    groq_api_key: SecretStr = SecretStr({key!r})
    max_tokens: int = 0
    temperature: float = 0
    timeout: float = 0
    max_retries: int = 0

    @property
    def _llm_type(self):
        return "groq"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        if self.model == "refused":
            raise ValueError(f"HTTP 401\\nno access with {{self.groq_api_key.get_secret_value()}}")
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Paris"))])

    def _should_stream(self, **kwargs):
        return self.model != "whole" and super()._should_stream(**kwargs)

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        yield ChatGenerationChunk(message=AIMessageChunk("Par"))
        if self.model == "refused":
            raise ValueError(f"HTTP 401\\nno access with {{self.groq_api_key.get_secret_value()}}")
        yield ChatGenerationChunk(message=AIMessageChunk("is"))
"""


@pytest.fixture(autouse=True)
def _integration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain.chat_models import base

    monkeypatch.chdir(tmp_path)
    (tmp_path / "langchain_groq.py").write_text(INTEGRATION.format(key=KEY))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "langchain_groq", raising=False)
    base._get_chat_model_creator.cache_clear()


def model(name: str) -> LangChainChatModel:
    made = chat_model(f"groq:{name}", Settings(llm_timeout=7, llm_max_tokens=11))
    assert isinstance(made, LangChainChatModel)
    return made


async def invoke(llm: LangChainChatModel) -> str:
    return str(llm.invoke("hello").text)


async def ainvoke(llm: LangChainChatModel) -> str:
    return str((await llm.ainvoke("hello")).text)


async def stream(llm: LangChainChatModel) -> str:
    return "".join(str(chunk.text) for chunk in llm.stream("hello"))


async def astream(llm: LangChainChatModel) -> str:
    chunks: AsyncIterator[Any] = llm.astream("hello")
    return "".join([str(chunk.text) async for chunk in chunks])


CALLS = [invoke, ainvoke, stream, astream]


@pytest.mark.parametrize("call", CALLS)
async def test_the_answer_is_the_integrations_own(call: Any) -> None:
    llm: Any = model("ready")
    assert await call(llm) == "Paris"
    assert (llm.inner.model, llm.inner.timeout, llm.inner.max_tokens) == ("ready", 7, 11)


@pytest.mark.parametrize("call", CALLS)
async def test_a_model_that_cannot_stream_answers_in_one_piece(call: Any) -> None:
    assert await call(model("whole")) == "Paris"


@pytest.mark.parametrize("call", CALLS)
async def test_a_failure_is_one_sentence_without_the_key(call: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        await call(model("refused"))
    assert str(caught.value) == (
        "groq:refused failed (ValueError: HTTP 401 no access with ***): "
        "check its key and its address"
    )
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_key_of_the_environment_is_not_told_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "another-secret")
    failure = model("ready")._failure(RuntimeError("no another-secret here"))
    assert str(failure).startswith("groq:ready failed (RuntimeError: no *** here)")


def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "langchain_groq.py").unlink()
    with pytest.raises(UsageError, match=r"'groq:m': .*pip install langchain-groq"):
        model("m")


@pytest.mark.parametrize("call", CALLS)
async def test_a_real_integration_fails_without_its_key(call: Any) -> None:
    langchain_openai = pytest.importorskip("langchain_openai")
    with faulty_server(status(401, f"bad key {KEY}: {{head}}")) as base_url:
        inner = langchain_openai.ChatOpenAI(model="m", base_url=base_url, api_key=SecretStr(KEY))
        llm = LangChainChatModel(name="other:m", inner=inner, max_tokens=16)
        with pytest.raises(ProviderError, match=r"other:m failed \(\w+: Error code: 401") as caught:
            await call(llm)
    assert KEY not in "".join(traceback.format_exception(caught.value))
