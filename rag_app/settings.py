"""The settings of the app: their values, where each came from, and what is wrong with it."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    DotEnvSettingsSource,
    EnvSettingsSource,
    TomlConfigSettingsSource,
)

from ingest import IndexSettings, UsageError

MASK = "********"
DOTENV = Path(".env")
TOML = Path("rag.toml")
WEB_ADDRESS = r"^https?://\S+$"
# A path may contain commas: only a comma before another provider separates two models.
_NEXT_LLM = re.compile(r"\s*,\s*(?=extractive\s*(?:,|$)|[a-z][\w-]+:)")


def _joined(value: object) -> object:
    parts = value if isinstance(value, list | tuple) else ()
    return ",".join(parts) if parts and all(isinstance(part, str) for part in parts) else value


EXTRACTIVE = "extractive"
"""The chat model that quotes, and needs no language model."""


def llm_names(llm: str) -> list[str]:
    """Return the chat models of the setting ``llm``, in the order they are tried."""
    return _NEXT_LLM.split(llm.strip())


class Settings(IndexSettings):
    """Settings of answering, on top of those of the index."""

    llm: Annotated[str, BeforeValidator(_joined)] = Field(
        EXTRACTIVE,
        description="chat model: extractive, or provider:model; several are tried in order",
    )
    llm_base_url: str | None = Field(
        None, pattern=WEB_ADDRESS, description="address of an OpenAI-compatible chat server"
    )
    llm_timeout: float = Field(
        60, gt=0, allow_inf_nan=False, description="longest wait for a whole answer, in seconds"
    )
    llm_max_tokens: int = Field(512, ge=1, description="longest answer, in tokens of the model")
    llm_temperature: float = Field(0.0, ge=0, le=2, description="0 always picks the likeliest word")
    llm_dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="numbers of a huggingface chat model; auto: as its weights; int8: a byte each",
    )
    llm_device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where a huggingface chat model runs; auto: a GPU if there is one"
    )
    llm_revision: str | None = Field(
        None, description="commit, tag or branch of a huggingface chat model from the hub"
    )
    show_thinking: bool = Field(
        True, description="show in a terminal what a model thinks before it answers"
    )
    prompt: str | None = Field(
        None, description="prompt template, by name or file; by the question's language if not set"
    )
    top_k: int = Field(5, ge=1, le=100, description="chunks that are retrieved for a question")
    width: Literal["chunk", "neighbours", "section"] = Field(
        "chunk", description="how much around a found chunk is read with it"
    )
    diversity: float = Field(
        0.0, ge=0, le=1, description="0 takes the best chunks, 1 chunks unlike each other"
    )
    rerank: str | None = Field(
        None, description="cross-encoder that reorders chunks: huggingface:<name or folder>"
    )
    rewrite: Literal["none", "multi-query", "hyde"] = Field(
        "none", description="what else the chat model lets search for: other wordings, an answer"
    )
    cache: bool = Field(
        True, description="give the same answer again while nothing that made it has changed"
    )
    on_unsupported: Literal["flag", "drop", "abstain"] = Field(
        "flag",
        description="sentences without a quote: list them, leave them out, or say I don't know",
    )
    entailment: str | None = Field(
        None, description="model that confirms each quote: huggingface:<name or folder>"
    )

    server_token: SecretStr | None = Field(
        None, description="token that 'rag serve' asks for; without one it serves this machine only"
    )
    server_tokens: Path | None = Field(
        None, description="file of hashed tokens with their collections, as 'rag token' writes them"
    )

    @property
    def is_extractive(self) -> bool:
        """Whether answers are only quoted, without a language model."""
        return self.llm == EXTRACTIVE


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting for display; keys and passwords are masked.

    Attributes:
        name: The name of the field of ``Settings``.
        value: The value as text; empty when it is not set.
        origin: ``flag``, ``environment RAG_…``, ``.env``, ``rag.toml`` or ``default``.
        description: What the setting does.
    """

    name: str
    value: str
    origin: str
    description: str


def load_settings(**flags: Any) -> Settings:
    """Load the settings; a flag of None counts as not given.

    Raises:
        UsageError: A value can't be used, a file can't be read, or a flag has no such setting.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given.keys() - Settings.model_fields.keys():
        raise UsageError(f"there is no setting '{name}'{_suggestion(name)}")
    _check_dotenv()
    try:
        return Settings(**given)
    except ValidationError as error:
        raise UsageError(_explain(error, _origins(given))) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{TOML} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{TOML} can't be read: {error}") from None


def changed_settings(settings: Settings, **changes: Any) -> Settings:
    """Return the settings with some of them changed.

    Raises:
        UsageError: A setting does not exist, or its value is not valid.
    """
    changed = settings.model_copy()
    for name, value in changes.items():
        if name not in Settings.model_fields:
            raise UsageError(f"there is no setting '{name}'{_suggestion(name)}")
        try:
            Settings.__pydantic_validator__.validate_assignment(changed, name, value)
        except ValidationError as error:
            raise UsageError(_explain(error, {name: "argument"})) from None
    return changed


def describe_settings(**flags: Any) -> list[SettingRow]:
    """Return every setting with its value and where it came from.

    Raises:
        UsageError: As ``load_settings``.
    """
    settings = load_settings(**flags)
    origins = _origins({name: value for name, value in flags.items() if value is not None})
    return [
        SettingRow(
            name=name,
            value=_shown(getattr(settings, name)),
            origin=origins.get(name, "default"),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def misspelled_settings() -> list[str]:
    """Return a sentence for each unknown name in ``rag.toml`` or ``RAG_…`` close to a setting."""
    prefix = "RAG_"
    variables = [name for name in os.environ if name.startswith(prefix)]
    found = [("environment", name, name.removeprefix(prefix).lower()) for name in variables]
    found += [(str(TOML), name, name) for name in TomlConfigSettingsSource(Settings).toml_data]
    return [
        f"{name} in {place} is not a setting{suggestion}"
        for place, name, key in found
        if key not in Settings.model_fields and (suggestion := _suggestion(key))
    ]


def mask_secrets(text: str) -> str:
    """Return the text without passwords and keys in the addresses it contains."""
    text = re.sub(r"(?<=://)([^/@\s:]*):[^/@\s]*@", rf"\1:{MASK}@", text)
    return re.sub(r"(?i)([?&][^=&\s]*(?:key|token|secret|password)=)[^&\s]*", rf"\1{MASK}", text)


def _check_dotenv() -> None:
    """Raise UsageError for a ``.env`` that can't be read; python-dotenv would only log it."""
    try:
        with DOTENV.open(encoding="utf-8") as lines:
            broken = [part.original.line for part in parse_stream(lines) if part.error]
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{DOTENV} can't be read: {error}") from None
    if broken:
        raise UsageError(f"line {broken[0]} of {DOTENV} can't be read: write NAME=value")


def _origins(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return where each setting that is not a default came from, by its name."""
    sources = [
        (str(TOML), TomlConfigSettingsSource(Settings)()),
        (str(DOTENV), DotEnvSettingsSource(Settings)()),
        ("environment", EnvSettingsSource(Settings)()),
        ("flag", flags),
    ]
    return {
        name: f"environment {_variable(name, field)}" if origin == "environment" else origin
        for origin, values in sources
        for name, field in Settings.model_fields.items()
        if name in values or field.validation_alias in values
    }


def _variable(name: str, field: FieldInfo) -> str:
    return str(field.validation_alias or f"RAG_{name.upper()}")


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    return "; ".join(_problems(error, origins))


def _problems(error: ValidationError, origins: Mapping[str, str]) -> Iterator[str]:
    names = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
    for problem in error.errors(include_url=False):
        where = str(problem["loc"][0])
        name = names.get(where, where)
        secret = "SecretStr" in str(Settings.model_fields[name].annotation)
        value = MASK if secret else mask_secrets(repr(problem["input"]))
        allowed = re.sub("^(Input|Value|String) should", "it should", problem["msg"])
        yield f"setting '{name}' can't be {value} (from {origins.get(name, 'default')}): {allowed}"


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    return "" if value is None else mask_secrets(str(value))


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.75)
    return f"; did you mean '{close[0]}'?" if close else ""


def embedding_address(settings: IndexSettings) -> str | None:
    """Return the address that questions and documents are sent to; None if they stay here."""
    from ingest import openai_address

    hosted = settings.embedding.startswith("openai:")
    return openai_address(settings.embedding_base_url) if hosted else None
