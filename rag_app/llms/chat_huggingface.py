"""Chat models in Hugging Face format, run in this process by ``transformers``."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import (
    agenerate_from_stream,
    generate_from_stream,
)
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedModel

from ingest import ProviderError
from rag_app.llms.chat_template import plain_stops, prompt_ids
from rag_app.llms.deadline import Work, read_from_thread
from rag_app.llms.langchain_provider import Stop
from rag_app.llms.loading import context_window, first_line, load_tokenizer, load_weights
from rag_app.llms.text_generation import AnswerText, generate_tokens, generation_config


class HuggingFaceChatModel(BaseChatModel):
    """A model from the hub, a local folder or a GGUF file; loaded at first use.

    Attributes:
        model: Hub id, folder, or path of a ``.gguf`` file.
        max_tokens: Maximum length of an answer, in tokens.
        temperature: Sampling temperature; 0 is greedy decoding.
        timeout: Maximum seconds for an answer, without loading.
        dtype: ``auto`` (as stored), ``float32``, ``bfloat16``, ``float16``, or ``int8``: weights
            quantized to a byte each, computed with as ``auto``; needs ``torchao``.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``mps``.
        revision: Commit, tag or branch on the hub.
    """

    model: str
    max_tokens: int = Field(512, gt=0)
    temperature: float = Field(0.0, ge=0)
    timeout: float = Field(60.0, gt=0)
    dtype: str = "auto"
    device: str = "auto"
    revision: str | None = None

    @property
    def _llm_type(self) -> str:
        return "huggingface"

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer; does not load the weights."""
        return load_tokenizer(self.model, self.revision).backend_tokenizer

    @property
    def window(self) -> int:
        """The context window, prompt and answer, in tokens; does not load the weights."""
        return context_window(self.model, self.revision)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the model's token ids of ``text``, without special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """Return the length of the prompt of ``messages``, in tokens."""
        return len(prompt_ids(load_tokenizer(self.model, self.revision), messages))

    def _generate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, **kwargs))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        # Through the stream, which a cancelled task stops between tokens.
        chunks: AsyncIterator[ChatGenerationChunk] = self._astream(messages, stop, **kwargs)
        return await agenerate_from_stream(chunks)

    def _stream(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        tokenizer = load_tokenizer(self.model, self.revision)
        weights = load_weights(self.model, self.revision, self.dtype, self.device)
        prompt = prompt_ids(tokenizer, messages)
        config = generation_config(
            weights,
            tokenizer,
            max_tokens=min(kwargs.get("max_tokens", self.max_tokens), self._room(len(prompt))),
            temperature=kwargs.get("temperature", self.temperature),
        )
        text = AnswerText(tokenizer.backend_tokenizer, [*(stop or ()), *plain_stops(tokenizer)])
        count, token = 0, -1
        with closing(self._tokens(weights, prompt, config)) as tokens:
            for token in tokens:
                count += 1
                if piece := text.push(token):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if text.stopped:
                    break
        finished = text.stopped or token in config.eos_token_id
        yield self._last(text.rest(), len(prompt), count, "stop" if finished else "length")

    def _room(self, prompt: int) -> int:
        if prompt < self.window:
            return self.window - prompt
        raise ProviderError(
            f"huggingface:{self.model}: the prompt has {prompt} tokens, the context window "
            f"{self.window}: ask with a smaller top_k, or choose a model with a larger window"
        )

    def _tokens(
        self, weights: PreTrainedModel, prompt: list[int], config: GenerationConfig
    ) -> Generator[int]:
        cancelled = threading.Event()
        late = ProviderError(
            f"huggingface:{self.model} did not finish within {self.timeout:g} s: raise "
            "RAG_LLM_TIMEOUT, lower RAG_LLM_MAX_TOKENS, or choose a smaller model"
        )
        run = partial(generate_tokens, weights, prompt, config, cancelled)
        try:
            yield from read_from_thread(Work(run, cancelled.set), self.timeout, late)
        except ProviderError:
            raise
        except Exception as error:
            raise ProviderError(
                f"huggingface:{self.model} failed to generate: {first_line(error)}"
            ) from error

    def _last(self, text: str, prompt: int, answer: int, finish_reason: str) -> ChatGenerationChunk:
        usage = UsageMetadata(
            input_tokens=prompt, output_tokens=answer, total_tokens=prompt + answer
        )
        metadata = {
            "model_provider": "huggingface",
            "model_name": self.model,
            "finish_reason": finish_reason,
        }
        message = AIMessageChunk(
            content=text,
            usage_metadata=usage,
            response_metadata=metadata,
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)
