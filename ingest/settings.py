"""Settings of indexing, from arguments, environment, ``.env``, ``rag.toml`` and defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

# Chosen from 128, 160, 200 and 320 on the public sets of the benchmarks: smaller chunks lack
# context, larger ones hide the answer.
CHUNK_TOKENS = 160


def _split(value: object) -> object:
    """Return the parts of a list in JSON, or separated by commas, from the environment."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part for part in map(str.strip, value.split(",")) if part]


Patterns = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class IndexSettings(BaseSettings):
    """The documents, the index, and how text is split and embedded."""

    model_config = SettingsConfigDict(
        env_prefix="RAG_",
        env_file=".env",
        env_ignore_empty=True,
        toml_file="rag.toml",
        extra="ignore",
        populate_by_name=True,
    )

    documents: Path = Field(Path("data/documents"), description="folder of the documents")
    index: Path = Field(Path("data/index"), description="folder of the index")
    embedding: str = Field(
        "bundled:e5-small-en-pt", description="embedding model, as provider:model"
    )
    embedding_base_url: str | None = Field(
        None, description="address of an OpenAI-compatible embedding server"
    )
    chunk_tokens: int = Field(
        CHUNK_TOKENS, ge=16, description="longest chunk, in tokens of the embedding model"
    )
    include: Patterns = Field((), description="read only files that match one of these patterns")
    exclude: Patterns = Field((), description="leave out what matches one of these patterns")
    passwords: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="passwords to try on encrypted files"
    )
    max_file_mb: int = Field(100, gt=0, description="larger files are not loaded, in MB")
    max_unpacked_mb: int = Field(200, gt=0, description="most that a file may unpack to, in MB")
    max_text_mb: int = Field(
        50, gt=0, description="most text read from a file, in MB of characters"
    )
    max_nesting: int = Field(4, ge=1, description="depth to which files in files are read")
    parse_seconds: int = Field(30, gt=0, description="most computing time for a file, in seconds")
    parse_memory_mb: int = Field(1500, ge=256, description="most memory for a file, in MB")
    offline: bool = Field(
        False, description="refuse every address but this machine's own, and the hub of models"
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="key of the OpenAI API"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, ``.env``, ``rag.toml``."""
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml
