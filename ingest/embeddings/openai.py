"""Embeddings from the OpenAI API or a compatible server."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeVar

import openai
from langchain_core.embeddings import Embeddings
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from ingest.embeddings.e5 import read_tokenizer
from ingest.embeddings.model import EmbeddingModel
from ingest.embeddings.types import EmbeddingIdentity
from ingest.errors import MissingKeyError, ProviderError
from ingest.network import client_options, openai_address, place_of, proxy_of, proxy_problem

Result = TypeVar("Result")

_SECONDS = 30.0  # chosen by hand
_RETRIES = 2  # the client's default
# https://platform.openai.com/docs/guides/embeddings
_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_OPENAI_MAX_TOKENS = 8191
# The API does not tell a model's limit; most read at least this much.
_OTHER_MAX_TOKENS = 512


class OpenAICompatibleEmbeddings(Embeddings):
    """OpenAIEmbeddings that raises ProviderError, and never repeats the key in it."""

    def __init__(self, model: str, base_url: str | None, key: SecretStr) -> None:
        self._name = f"openai:{model}" + (f" at {place_of(base_url)}" if base_url else "")
        address = openai_address(base_url)
        if proxy := proxy_of(address):
            self._name += f" through the proxy {place_of(proxy)}"
        http, http_async = self._http_clients(address)
        weakref.finalize(self, http.close)
        # Send strings: check_embedding_ctx_length would send token ids, which only OpenAI itself
        # understands, and download a vocabulary for them.
        self._client = OpenAIEmbeddings(
            model=model,
            openai_api_base=base_url,
            openai_api_key=key,
            openai_proxy=None,
            http_client=http,
            http_async_client=http_async,
            request_timeout=_SECONDS,
            max_retries=_RETRIES,
            check_embedding_ctx_length=False,
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text; raises ProviderError."""
        return self._call(lambda: self._client.embed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question; raises ProviderError."""
        return self.embed_documents([text])[0]

    def _http_clients(
        self, address: str
    ) -> tuple[openai.DefaultHttpxClient, openai.DefaultAsyncHttpxClient]:
        options = client_options(address)
        try:
            return openai.DefaultHttpxClient(**options), openai.DefaultAsyncHttpxClient(**options)
        except Exception as error:  # its errors for bad addresses have no common class
            raise ProviderError(f"{self._name}: {proxy_problem(error)}") from None

    def _call(self, request: Callable[[], Result]) -> Result:
        try:
            return request()
        except openai.APITimeoutError:
            raise ProviderError(f"{self._name} did not answer in {_SECONDS:g} s") from None
        except openai.APIConnectionError:
            raise ProviderError(
                f"{self._name} can't be reached; check the connection and the address"
            ) from None
        # Not the body: servers may repeat the key in it.
        except openai.APIStatusError as error:
            raise ProviderError(_refusal(self._name, error.status_code)) from None
        except (openai.OpenAIError, ValueError, TypeError, KeyError, AttributeError):
            raise ProviderError(
                f"{self._name} returned something that is not an embedding"
            ) from None


def openai_model(model: str, base_url: str | None, key: SecretStr | None) -> EmbeddingModel:
    """Return the model; an unknown one is called once to find its dimension.

    Raises:
        MissingKeyError: Without a key, unless ``base_url`` names another server.
        ProviderError: If the server refuses, fails or does not answer.
    """
    if base_url is None and not (key and key.get_secret_value()):
        raise MissingKeyError(f"openai:{model}", "OPENAI_API_KEY")
    embeddings = OpenAICompatibleEmbeddings(model, base_url, key or SecretStr("none"))
    identity = EmbeddingIdentity(
        provider="openai",
        model=model,
        dimension=_DIMENSIONS.get(model) or len(embeddings.embed_query("dimension")),
        max_tokens=_OPENAI_MAX_TOKENS if model in _DIMENSIONS else _OTHER_MAX_TOKENS,
        precision="provider",
    )
    # The provider's tokenizer needs a download; this one gives about as many tokens, or more.
    return EmbeddingModel(embeddings, identity, read_tokenizer())


def _refusal(name: str, status: int) -> str:
    match status:
        case 401 | 403:
            return f"{name} refused the key (HTTP {status}); check OPENAI_API_KEY"
        case 404:
            return f"{name} is not known there (HTTP 404); check the model and the address"
        case 429:
            return f"{name} has too many requests or no quota left (HTTP 429); try again later"
        case _:
            return f"{name} failed with HTTP {status}; try again later"
