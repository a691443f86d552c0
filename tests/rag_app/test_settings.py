"""Where settings come from, and what a bad one says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest import UsageError
from rag_app.settings import (
    MASK,
    Settings,
    describe_settings,
    load_settings,
    mask_secrets,
    misspelled_settings,
)

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder without any setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("RAG_") or name == "OPENAI_API_KEY":
            monkeypatch.delenv(name)


def origin(name: str, **flags: object) -> str:
    return next(row.origin for row in describe_settings(**flags) if row.name == name)


def test_a_flag_beats_environment_beats_dotenv_beats_toml_beats_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = [(load_settings().top_k, origin("top_k"))]
    Path("rag.toml").write_text("top_k = 6")
    seen.append((load_settings().top_k, origin("top_k")))
    Path(".env").write_text("RAG_TOP_K=7")
    seen.append((load_settings().top_k, origin("top_k")))
    monkeypatch.setenv("RAG_TOP_K", "8")
    seen.append((load_settings().top_k, origin("top_k")))
    seen.append((load_settings(top_k=9).top_k, origin("top_k", top_k=9)))
    assert seen == [
        (5, "default"),
        (6, "rag.toml"),
        (7, ".env"),
        (8, "environment RAG_TOP_K"),
        (9, "flag"),
    ]


def test_a_flag_that_is_none_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_LLM", "openai:small")
    assert load_settings(llm=None).llm == "openai:small"
    assert origin("llm", llm=None) == "environment RAG_LLM"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PROMPT", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert load_settings() == Settings()
    assert origin("prompt") == "default"


def test_variables_of_other_programs_in_dotenv_do_no_harm() -> None:
    Path(".env").write_text("DATABASE_URL=postgres://x\nRAG_TOP_K=3\nOPENAI_API_KEY=sk-1\n")
    settings = load_settings()
    assert settings.top_k == 3
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    ("toml", "variables", "flags", "message"),
    [
        pytest.param(
            "",
            {"RAG_TOP_K": "many"},
            {},
            "setting 'top_k' can't be 'many' (from environment RAG_TOP_K): it should be a valid "
            "integer, unable to parse string as an integer",
            id="not a number",
        ),
        pytest.param(
            "top_k = 0",
            {},
            {},
            "setting 'top_k' can't be 0 (from rag.toml): it should be greater than or equal to 1",
            id="too small",
        ),
        pytest.param(
            "",
            {},
            {"llm_timeout": float("inf")},
            "setting 'llm_timeout' can't be inf (from flag): it should be a finite number",
            id="endless wait",
        ),
        pytest.param(
            "llm_base_url = 'localhost:8000'",
            {},
            {},
            "setting 'llm_base_url' can't be 'localhost:8000' (from rag.toml): it should match "
            r"pattern '^https?://\S+$'",
            id="address without scheme",
        ),
        pytest.param(
            "openai_api_key = 12345",
            {},
            {},
            f"setting 'openai_api_key' can't be {MASK} (from rag.toml): it should be a valid "
            "string",
            id="a bad key is not shown",
        ),
        pytest.param(
            "top_k = 0",
            {"RAG_CHUNK_TOKENS": "1"},
            {},
            "setting 'chunk_tokens' can't be '1' (from environment RAG_CHUNK_TOKENS): it should be "
            "greater than or equal to 16; setting 'top_k' can't be 0 (from rag.toml): it should be "
            "greater than or equal to 1",
            id="two at once",
        ),
        pytest.param(
            "",
            {},
            {"topk": 3},
            "there is no setting 'topk'; did you mean 'top_k'?",
            id="unknown flag",
        ),
        pytest.param(
            "top_k = = 3",
            {},
            {},
            "rag.toml is not valid TOML: Invalid value (at line 1, column 9)",
            id="broken toml",
        ),
    ],
)
def test_a_bad_setting_is_one_sentence(
    toml: str,
    variables: dict[str, str],
    flags: dict[str, object],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("rag.toml").write_text(toml)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load_settings(**flags)
    assert str(caught.value) == message


def test_a_broken_line_of_dotenv_is_named_but_not_shown() -> None:
    Path(".env").write_text("RAG_TOP_K=3\n=sk-secret\n")
    with pytest.raises(UsageError, match=r"^line 2 of \.env can't be read: write NAME=value$"):
        load_settings()


@pytest.mark.parametrize("file", [".env", "rag.toml"])
def test_a_file_that_is_not_text_is_named(file: str) -> None:
    Path(file).write_bytes(b"RAG_LLM=\xff\xfe")
    with pytest.raises(UsageError, match=rf"^{file} can't be read: "):
        load_settings()


def test_keys_and_passwords_are_masked() -> None:
    rows = describe_settings(
        openai_api_key="sk-secret", llm_base_url="https://me:hush@models.example/v1?api_key=k1"
    )
    values = {row.name: row.value for row in rows}
    assert values["openai_api_key"] == MASK
    assert values["llm_base_url"] == f"https://me:{MASK}@models.example/v1?api_key={MASK}"


def test_an_address_without_secrets_stays_as_it_is() -> None:
    address = "http://localhost:8000/v1?model=a&size=2"
    assert mask_secrets(address) == address


def test_every_setting_has_a_row_with_a_description() -> None:
    rows = describe_settings()
    assert [row.name for row in rows] == list(Settings.model_fields)
    assert all(row.description and row.origin == "default" for row in rows)


def test_a_misspelled_name_gets_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rag.toml").write_text("topk = 3\nunrelated = 1\n")
    monkeypatch.setenv("RAG_LLM_TIMOUT", "3")
    monkeypatch.setenv("RAG_BENCH", "elsewhere")
    assert misspelled_settings() == [
        "RAG_LLM_TIMOUT in environment is not a setting; did you mean 'llm_timeout'?",
        "topk in rag.toml is not a setting; did you mean 'top_k'?",
    ]


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if "=" in line and line[0] != "#"]
    names = {line.partition("=")[0] for line in lines}
    fields = Settings.model_fields.items()
    assert names == {str(field.validation_alias or f"RAG_{name.upper()}") for name, field in fields}
    assert Settings(_env_file=EXAMPLE) == Settings()
