"""Chat models by name, as ``provider:model``."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from ingest import MissingExtraError, MissingKeyError, UsageError, keep_offline, openai_address
from rag_app.settings import llm_names

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ingest import EmbeddingModel
    from rag_app.extractive.chat_model import Find
    from rag_app.settings import Settings

_LOG = logging.getLogger(__name__)
_AZURE_ENDPOINT = "AZURE_OPENAI_ENDPOINT"
KNOWN = (
    "extractive, huggingface:<hub id, folder or file.gguf>, openai:<model>, "
    "or a provider of LangChain such as anthropic:<model>"
)


def chat_model(
    llm: str,
    settings: Settings,
    embedding: EmbeddingModel | None = None,
    find: Find | None = None,
) -> BaseChatModel:
    """Return the chat model ``llm``; for several names, one that tries them in order.

    Of several, those without their key or packages are skipped with a warning in the log.

    Args:
        llm: ``provider:model``, ``extractive``, or several of these with commas between them.
        settings: Keys, addresses and limits.
        embedding: The embedding model that ``extractive`` ranks sentences with.
        find: The attribute `ExtractiveChatModel.find` of ``extractive``.

    Raises:
        MissingExtraError: Optional packages are not installed.
        MissingKeyError: An API key is not set.
        UsageError: The name or its provider is unknown, or ``offline`` forbids it.
    """
    if not isinstance(llm, str):
        raise UsageError(f"{llm!r} is not a chat model; choose {KNOWN}")
    names = llm_names(llm)
    if len(names) == 1:
        return _chat_model(names[0], settings, embedding, find)
    from rag_app.llms.fallback import FallbackChatModel

    models = {}
    for name, after in zip(names, [*names[1:], ""], strict=True):
        try:
            models[name] = _chat_model(name, settings, embedding, find)
        except (MissingKeyError, MissingExtraError) as error:
            if not (models or after):
                raise
            _LOG.warning("%s%s", error, f"; asking {after} instead" if after else "")
    return FallbackChatModel(models=models)


def llm_address(llm: str, settings: Settings) -> str | None:
    """Return the address that the chat model ``llm`` sends text to; None if it runs locally."""
    provider = llm.partition(":")[0]
    if provider in ("extractive", "huggingface"):
        return None
    if provider == "azure_openai":
        return os.environ.get(_AZURE_ENDPOINT) or provider
    return openai_address(settings.llm_base_url) if provider == "openai" else provider


def _chat_model(
    llm: str, settings: Settings, embedding: EmbeddingModel | None, find: Find | None
) -> BaseChatModel:
    match llm.partition(":"):
        case "extractive", _, "":
            keep_offline(settings, llm, None)
            return _extractive(embedding, find)
        case provider, _, model if provider and model and provider != "extractive":
            keep_offline(settings, f"chat model '{llm}'", llm_address(llm, settings))
        case _:
            raise UsageError(f"'{llm}' is not a chat model; choose {KNOWN}")
    match provider:
        case "huggingface":
            return _huggingface(model, settings)
        case "openai":
            return _openai(model, settings)
        case "azure_openai":
            return _azure(model, settings)
        case _:
            return _langchain(llm, settings)


def _limits(settings: Settings) -> dict[str, Any]:
    return {
        "max_tokens": settings.llm_max_tokens,
        "temperature": settings.llm_temperature,
        "timeout": settings.llm_timeout,
    }


def _extractive(embedding: EmbeddingModel | None, find: Find | None) -> BaseChatModel:
    from rag_app.extractive.chat_model import ExtractiveChatModel

    if embedding is None:
        raise UsageError("'extractive' ranks sentences with an embedding model: pass embedding=")
    return ExtractiveChatModel(embedding=embedding, find=find)


def _huggingface(model: str, settings: Settings) -> BaseChatModel:
    try:
        from rag_app.llms.chat_huggingface import HuggingFaceChatModel
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"huggingface:{model}", "huggingface") from error
    return HuggingFaceChatModel(
        model=model,
        **_limits(settings),
        dtype=settings.llm_dtype,
        device=settings.llm_device,
        revision=settings.llm_revision,
    )


def _openai(model: str, settings: Settings) -> BaseChatModel:
    if settings.llm_base_url is None and settings.openai_api_key is None:
        raise MissingKeyError(f"openai:{model}", "OPENAI_API_KEY")
    try:
        from rag_app.llms.chat_openai import openai_chat_model
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"openai:{model}", "openai") from error
    return openai_chat_model(
        model,
        # Explicit, as LangChain also reads variables that we do not document.
        base_url=openai_address(settings.llm_base_url),
        api_key=settings.openai_api_key,
        **_limits(settings),
    )


def _azure(deployment: str, settings: Settings) -> BaseChatModel:
    llm = f"azure_openai:{deployment}"
    try:
        from rag_app.llms.chat_openai import azure_chat_model
    except ModuleNotFoundError as error:
        raise MissingExtraError(llm, "openai") from error
    needed = (_AZURE_ENDPOINT, "OPENAI_API_VERSION")
    if missing := [name for name in needed if not os.environ.get(name)]:
        raise UsageError(f"'{llm}' can't be set up: set {' and '.join(missing)} in the environment")
    try:
        return azure_chat_model(deployment, **_limits(settings))
    except Exception as error:
        # A validation error prints its input, which may hold a key: show its type only.
        reason = f"{type(error).__name__}: is AZURE_OPENAI_API_KEY set?"
        raise UsageError(f"'{llm}' can't be set up: {reason}") from None


def _langchain(llm: str, settings: Settings) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    from rag_app.llms.langchain_provider import LangChainChatModel

    provider, _, model = llm.partition(":")
    try:
        inner = init_chat_model(
            model,
            model_provider=provider,
            **_limits(settings),
            max_retries=2,
        )
    except ImportError as error:
        raise UsageError(f"'{llm}': {error}") from error
    except Exception as error:
        if str(error).startswith("Unsupported provider"):
            raise UsageError(f"the provider of '{llm}' is unknown; choose {KNOWN}") from None
        # A validation error prints its input, which may hold a key: show its type only.
        reason = f"{type(error).__name__}: is its API key set?"
        raise UsageError(f"'{llm}' can't be set up: {reason}") from None
    return LangChainChatModel(name=llm, inner=inner, max_tokens=settings.llm_max_tokens)
