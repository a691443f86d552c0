"""The bodies of the OpenAI-compatible API, as far as it uses them.

Parameters that are not named here, such as ``temperature`` and ``seed``, are accepted and ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints, WithJsonSchema
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from rag_app.types import Citation

_MOST_MESSAGES = 1_000  # chosen by hand
_MOST_INPUTS = 2_048  # as OpenAI's
_TEXT: JsonDict = {"pattern": r"\S"}
_QUESTION: JsonDict = {
    "properties": {"role": {"const": "user"}, "content": {"type": "string", **_TEXT}},
    "required": ["role", "content"],
}
_WITH_QUESTION: JsonDict = {"contains": _QUESTION}

ModelId = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Text = Annotated[str, StringConstraints(min_length=1)]
TokenIds = Annotated[list[StrictInt], Field(min_length=1)]


def _only(*values: Any) -> WithJsonSchema:
    """Describe a parameter of which only some values are supported.

    Others are refused with a better reason than a schema gives.
    """
    return WithJsonSchema({"enum": list(values)})


class ErrorDetail(BaseModel):
    """What failed; ``param`` names the part of the request."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorDetail


class Model(BaseModel):
    """A collection with a chat model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "rag-app"


class ModelList(BaseModel):
    """The models that the caller may ask."""

    object: Literal["list"] = "list"
    data: list[Model]


class ContentPart(BaseModel):
    """A part of a message; only text is supported."""

    type: Annotated[str, _only("text", "input_text", "output_text")]
    text: str = ""


class Message(BaseModel):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class FormatChoice(BaseModel):
    """The format of an answer; only ``text`` is supported."""

    type: Annotated[str, _only("text")] = "text"


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: StrictBool | None = None


class ChatRequest(BaseModel):
    """A conversation that ends with a question."""

    model: ModelId
    messages: list[Message] = Field(max_length=_MOST_MESSAGES, json_schema_extra=_WITH_QUESTION)
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[StrictInt | None, _only(1, None)] = None
    tools: Annotated[list[Any] | None, _only([], None)] = None
    functions: Annotated[list[Any] | None, _only([], None)] = None
    response_format: FormatChoice | None = None
    modalities: Annotated[list[str] | None, _only(["text"], None)] = None
    logprobs: Annotated[StrictBool | None, _only(False, None)] = None


class ChatUsage(BaseModel):
    """Tokens as far as the chat model tells; 0 where it does not, as for ``extractive``."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatReply(BaseModel):
    """The answer; ``citations`` are the quotes of its footnotes."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    reasoning_content: str | None = None
    citations: list[Citation]


class ChatChoice(BaseModel):
    """The only choice."""

    index: int = 0
    message: ChatReply
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatCompletion(BaseModel):
    """An answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage


class EmbeddingsRequest(BaseModel):
    """Texts to embed."""

    model: ModelId
    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=_MOST_INPUTS)]
        | SkipJsonSchema[TokenIds | Annotated[list[TokenIds], Field(min_length=1)]]
    ) = Field(description="Text, or a list of texts; tokens are refused.")
    input_type: Literal["passage", "query"] = Field(
        "passage", description="Whether the texts are passages to be found, or questions."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[StrictInt | None, _only(None)] = None


class Embedding(BaseModel):
    """A vector of length 1; as base64, its little-endian 32-bit floats."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(BaseModel):
    """Tokens of the texts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


class InputItem(Message):
    """A message of the input of a response."""

    type: Literal["message"] = "message"


class TextOptions(BaseModel):
    """Options of the text of a response."""

    format: FormatChoice | None = None


class ResponsesRequest(BaseModel):
    """A question, or a conversation that ends with one."""

    model: ModelId
    input: (
        Annotated[str, Field(json_schema_extra=_TEXT)]
        | Annotated[
            list[InputItem], Field(max_length=_MOST_MESSAGES, json_schema_extra=_WITH_QUESTION)
        ]
    )
    stream: StrictBool | None = None
    tools: Annotated[list[Any] | None, _only([], None)] = None
    text: TextOptions | None = None
    previous_response_id: Annotated[str | None, _only(None)] = None
    conversation: Annotated[Any, _only(None)] = None
    background: Annotated[StrictBool | None, _only(False, None)] = None
    prompt: Annotated[Any, _only(None)] = None


class OutputText(BaseModel):
    """The text of an answer."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = []
    logprobs: list[Any] = []


class OutputMessage(BaseModel):
    """The answer; ``citations`` are the quotes of its footnotes."""

    type: Literal["message"] = "message"
    id: str
    role: Literal["assistant"] = "assistant"
    status: Literal["in_progress", "completed", "incomplete"]
    content: list[OutputText]
    citations: list[Citation] = []


class InputTokensDetails(BaseModel):
    """Not known."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(BaseModel):
    """Not known."""

    reasoning_tokens: int = 0


class ResponsesUsage(BaseModel):
    """Tokens as far as the chat model tells; 0 where it does not, as for ``extractive``."""

    input_tokens: int
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class IncompleteDetails(BaseModel):
    """Why an answer is not complete."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseError(BaseModel):
    """Why a response failed."""

    code: Literal["server_error"] = "server_error"
    message: str


class ResponseRecord(BaseModel):
    """An answer; responses are not stored."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    output: list[OutputMessage] = []
    parallel_tool_calls: bool = False
    store: bool = False
    tool_choice: Literal["none"] = "none"
    tools: list[Any] = []
    usage: ResponsesUsage | None = None
