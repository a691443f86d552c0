"""Tokens are compared as digests, and a file of them is read strictly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from running import Rag

from ingest import UsageError
from rag_app.server.security.access import Access, Tokens, new_token

GOOD = {"name": "ana", "sha256": "0" * 64, "read": "all", "write": ["a"]}


def test_a_new_token_has_the_rights_of_its_entry(tmp_path: Path) -> None:
    token, entry = new_token("ana", ["a", "b"], [])
    (tmp_path / "tokens.yaml").write_text(entry)
    tokens = Tokens.of(None, tmp_path / "tokens.yaml")
    assert tokens is not None
    access = tokens.access(token)
    assert access == Access("ana", frozenset("ab"), frozenset())
    assert [access.may_read(name) for name in "abc"] == [True, True, False]
    assert not any(access.may_write(name) for name in "abc")
    assert token not in entry


def test_a_token_of_the_settings_has_every_right() -> None:
    tokens = Tokens.of(SecretStr("correct horse battery"), None)
    assert tokens is not None
    assert tokens.access("correct horse battery") == Access("token", None, None)
    for wrong in ("", "correct horse batter", "correct horse battery ", "CORRECT HORSE BATTERY"):
        assert tokens.access(wrong) is None


def test_what_may_be_changed_may_also_be_read() -> None:
    assert not Access("x", frozenset("a"), None).may_write("b")


def test_without_a_token_there_are_none() -> None:
    assert Tokens.of(None, None) is None


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(UsageError, match="could be guessed"):
        Tokens.of(SecretStr("secret"), None)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("[", "is not YAML"),
        ("a: b", "has to be a list"),
        ("[]", "has to be a list"),
        ([{"name": "ana"}], "entry 1 of .* needs exactly the keys name, read, sha256, write"),
        ([{**GOOD, "token": "x"}], "needs exactly the keys"),
        ([{**GOOD, "sha256": "secret"}], "64 hexadecimal digits"),
        ([{**GOOD, "sha256": 0}], "64 hexadecimal digits"),
        ([{**GOOD, "name": ""}], "'name' has to be a text"),
        ([{**GOOD, "read": "a"}], "'read' has to be a list of collections"),
        ([{**GOOD, "write": [1]}], "'write' has to be a list"),
        ([GOOD, GOOD], "the name 'ana' twice"),
        ([{**GOOD, "name": "token"}], "the name 'token' twice, or it is one of the server's own"),
        ([{**GOOD, "name": "local"}], "the name 'local' twice, or it is one of the server's own"),
    ],
)
def test_a_file_that_is_not_a_list_of_tokens_is_refused(
    tmp_path: Path, entries: object, said: str
) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text(entries if isinstance(entries, str) else yaml.safe_dump(entries))
    with pytest.raises(UsageError, match=said):
        Tokens.of(None, file)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text(new_token("ana", None, None)[1])
    os.chmod(file, 0o622)
    with pytest.raises(UsageError, match="chmod 600"):
        Tokens.of(None, file)
    with pytest.raises(UsageError, match="can't be read"):
        Tokens.of(None, tmp_path / "none.yaml")


def test_the_command_prints_the_entry_and_shows_the_token_once(rag: Rag, tmp_path: Path) -> None:
    done = rag("token", "ana", "--read", "a, b", "--write", "none")
    (tmp_path / "tokens.yaml").write_text(done.out)
    tokens = Tokens.of(None, tmp_path / "tokens.yaml")
    shown = done.err.splitlines()[0].removeprefix("token for ana: ")
    assert tokens is not None
    assert tokens.access(shown) == Access("ana", frozenset("ab"), frozenset())
    assert shown not in done.out
