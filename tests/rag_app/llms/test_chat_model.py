from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from ingest import EmbeddingModel, MissingExtraError, MissingKeyError, UsageError, embedding_model
from rag_app.llms import chat_model, llm_address
from rag_app.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "RAG_LLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def settings(**values: Any) -> Settings:
    return Settings(llm_timeout=7, llm_max_tokens=11, llm_temperature=0.5, **values)


@pytest.fixture(scope="module")
def embedding() -> EmbeddingModel:
    return embedding_model(Settings())


def test_extractive_gets_the_embedding_model(embedding: EmbeddingModel) -> None:
    model = chat_model("extractive", settings(), embedding)
    assert type(model).__name__ == "ExtractiveChatModel"
    assert getattr(model, "embedding", None) is embedding


def test_extractive_without_an_embedding_model_is_refused() -> None:
    with pytest.raises(UsageError, match="embedding"):
        chat_model("extractive", settings())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("some/model", id="hub-id"),
        pytest.param("./a folder", id="folder"),
        pytest.param("C:\\models\\a.gguf", id="path-with-colon"),
    ],
)
def test_huggingface_takes_the_settings_and_loads_nothing_yet(name: str) -> None:
    given = settings(llm_dtype="bfloat16", llm_device="cpu", llm_revision="v1")
    model: Any = chat_model(f"huggingface:{name}", given)
    assert type(model).__name__ == "HuggingFaceChatModel"
    assert (model.model, model.timeout, model.max_tokens, model.temperature) == (name, 7, 11, 0.5)
    assert (model.dtype, model.device, model.revision) == ("bfloat16", "cpu", "v1")


def test_openai_takes_the_settings() -> None:
    model: Any = chat_model("openai:gpt-4o", settings(openai_api_key=SecretStr("sk-1")))
    assert type(model).__name__ == "OpenAIChatModel"
    assert (model.model_name, model.request_timeout, model.max_retries) == ("gpt-4o", 7, 2)
    assert (model.max_tokens, model.temperature, model.stream_usage) == (11, 0.5, True)
    assert model.openai_api_key.get_secret_value() == "sk-1"
    assert "sk-1" not in repr(model)


def test_a_compatible_server_needs_no_key() -> None:
    url = "http://127.0.0.1:8000/v1"
    model: Any = chat_model("openai:a/b:latest", settings(llm_base_url=url))
    assert (model.model_name, model.openai_api_base) == ("a/b:latest", url)
    assert model.openai_api_key.get_secret_value() == "none"


def test_openai_without_a_key_names_the_variable() -> None:
    with pytest.raises(MissingKeyError, match="openai:gpt-4o needs a key: set OPENAI_API_KEY"):
        chat_model("openai:gpt-4o", settings())


@pytest.mark.parametrize(
    ("llm", "package", "module"),
    [
        pytest.param("huggingface:a/b", "transformers", "huggingface", id="huggingface"),
        pytest.param("openai:gpt-4o", "langchain_openai", "openai", id="openai"),
    ],
)
def test_a_missing_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, llm: str, package: str, module: str
) -> None:
    for loaded in [name for name in sys.modules if name.startswith("rag_app.llms.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"pip install .*langchain-{module}>"):
        chat_model(llm, settings(openai_api_key=SecretStr("sk-1")))


@pytest.mark.parametrize(
    "llm",
    ["", ":", "gpt-4o", "openai:", "huggingface:", ":model", "extractive:x", "nobody:model"],
)
def test_an_unknown_name_lists_the_providers(llm: str) -> None:
    with pytest.raises(UsageError, match=r"extractive, huggingface:.*openai:<model>"):
        chat_model(llm, settings())


def test_a_provider_of_langchain_names_the_package_it_needs() -> None:
    with pytest.raises(UsageError, match="pip install langchain-anthropic"):
        chat_model("anthropic:claude", settings())


def test_questions_go_where_it_is_told_that_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGSMITH_GATEWAY", "https://gateway.example")
    chosen = settings(openai_api_key=SecretStr("sk-1"))
    model: Any = chat_model("openai:m", chosen)
    assert str(model.root_async_client.base_url).rstrip("/") == llm_address("openai:m", chosen)


def test_a_deployment_of_azure_is_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
    model: Any = chat_model("azure_openai:gpt-4o", settings())
    assert "AzureChatOpenAI" in [base.__name__ for base in type(model).__mro__]
    assert (model.max_tokens, model.request_timeout) == (11, 7)
    assert model.max_retries == 2


def test_a_provider_of_langchain_without_its_key_is_refused() -> None:
    with pytest.raises(UsageError, match=r"azure_openai:gpt-4o.*can't be set up"):
        chat_model("azure_openai:gpt-4o", settings())


def test_importing_the_dispatch_loads_nothing_heavy() -> None:
    code = (
        "import sys, rag_app.llms; "
        "print([m for m in ('torch', 'transformers', 'openai', 'langchain') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    ("llm", "place"),
    [
        pytest.param("openai:gpt-4o", "'openai:gpt-4o' sends text to api.openai.com,", id="openai"),
        pytest.param("anthropic:claude", "sends text to anthropic,", id="another provider"),
        pytest.param("extractive,openai:b", "sends text to api.openai.com,", id="as the second"),
    ],
)
def test_offline_refuses_a_model_elsewhere(
    llm: str, place: str, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # put back afterwards
    with pytest.raises(UsageError, match=f"{place} which offline = true forbids"):
        chat_model(llm, settings(offline=True, openai_api_key=SecretStr("sk-1")), embedding)


def test_offline_takes_a_server_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    chat_model("openai:m", settings(offline=True, llm_base_url="http://localhost:8000/v1"))


def test_importing_the_package_leaves_the_loggers_of_other_libraries_alone() -> None:
    code = (
        "import logging\n"
        "import rag_app.app, rag_app.evaluation, rag_app.tuning\n"
        "loggers = logging.root.manager.loggerDict\n"
        "print([n for n in ('torchao', 'torch.utils._pytree', 'transformers') if n in loggers])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr
