"""Text generation with ``transformers``: configuration, token stream, detokenization."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer


def generation_config(
    weights: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_tokens: int,
    temperature: float,
) -> GenerationConfig:
    """Return the model's generation config with our limit, temperature and end tokens.

    Args:
        weights: The model.
        tokenizer: Its tokenizer.
        max_tokens: Maximum length of an answer, in tokens.
        temperature: Sampling temperature; 0 is greedy decoding.
    """
    config = copy.deepcopy(weights.generation_config or GenerationConfig())  # type: ignore[no-untyped-call]
    ends = config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    config.eos_token_id = sorted({*ends, tokenizer.eos_token_id} - {None})
    config.pad_token_id = tokenizer.pad_token_id or next(iter(config.eos_token_id), 0)
    config.max_length, config.max_new_tokens = None, max_tokens
    config.do_sample = temperature > 0
    if config.do_sample:
        config.temperature = temperature
    else:
        config.temperature = config.top_p = config.top_k = None
    return config


class _Cancelled(StoppingCriteria):
    def __init__(self, cancelled: threading.Event) -> None:
        self.cancelled = cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self.cancelled.is_set(), device=input_ids.device)


class _Tokens(BaseStreamer):
    """Pass on each new token; the first value is the prompt."""

    def __init__(self, put: Callable[[int], None]) -> None:
        self.put_token = put
        self.prompt = True

    def put(self, value: torch.Tensor) -> None:
        if not self.prompt:
            self.put_token(int(value[0]))
        self.prompt = False

    def end(self) -> None:
        pass


def generate_tokens(
    weights: PreTrainedModel,
    prompt: list[int],
    config: GenerationConfig,
    cancelled: threading.Event,
    put: Callable[[int], None],
) -> None:
    """Pass each token of the answer to ``put``.

    Args:
        weights: The model.
        prompt: Token ids of the prompt.
        config: The generation config.
        cancelled: When set, generation stops after the next token.
        put: Called with each token id.
    """
    ids = torch.tensor([prompt], device=weights.device)
    with torch.inference_mode():
        weights.generate(  # type: ignore[operator]
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([_Cancelled(cancelled)]),
            streamer=_Tokens(put),
        )


class AnswerText:
    """Incremental detokenization: complete characters, up to the first stop string."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.stops = [stop for stop in stops if stop]
        self.decoder = DecodeStream(skip_special_tokens=True)
        self.held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Return the text that ``token`` completes, except a possible start of a stop string."""
        self.held += self.decoder.step(self.tokenizer, token) or ""
        found = [at for stop in self.stops if (at := self.held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._release(min(found), drop=True)
        return self._release(len(self.held) - self._claimed())

    def rest(self) -> str:
        """Return the text held back for a stop string that did not come."""
        return self._release(len(self.held))

    def _claimed(self) -> int:
        """Return how many of the last characters may start a stop string."""
        longest = max(map(len, self.stops), default=1) - 1
        sizes = range(min(longest, len(self.held)), 0, -1)
        starts = (n for n in sizes if any(s.startswith(self.held[-n:]) for s in self.stops))
        return next(starts, 0)

    def _release(self, end: int, *, drop: bool = False) -> str:
        text, self.held = self.held[:end], "" if drop else self.held[end:]
        return text
