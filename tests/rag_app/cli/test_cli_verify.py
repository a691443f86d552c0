from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from running import DOCUMENTS, QUESTION, Rag, fingerprint

CATALOG = "v1/catalog.sqlite"


@pytest.fixture
def copied_index(rag: Rag, sample_index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the index of the sample documents, to be damaged."""
    copy = Path("index")
    shutil.copytree(sample_index, copy)
    monkeypatch.setenv("RAG_INDEX", str(copy))
    return copy


def change(index: Path, statement: str) -> None:
    with closing(sqlite3.connect(index / CATALOG)) as connection, connection:
        connection.execute(statement)


def test_a_whole_index_is_all_as_written(rag: Rag, copied_index: Path) -> None:
    before = fingerprint(copied_index)
    status = json.loads(rag("status", "--json").out)

    run = rag("verify")

    held = f"{status['documents']} documents, {status['chunks']} chunks: all as written"
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(held)
    assert fingerprint(copied_index) == before


def test_verify_json_has_the_stable_shape(rag: Rag, copied_index: Path) -> None:
    source = min(path.relative_to(DOCUMENTS) for path in DOCUMENTS.rglob("*.md")).as_posix()
    one = f"(SELECT id FROM documents WHERE source = '{source}')"
    change(copied_index, f"UPDATE texts SET text = '' WHERE document = {one}")

    report = json.loads(rag("verify", "--json").out)

    assert list(report) == ["documents", "chunks", "damages", "seconds"]
    what = f"the text of {source} in the catalog is damaged"
    assert report["damages"] == [{"what": what, "where": source, "repaired": False}]


@pytest.mark.usefixtures("sample_vectors")
def test_damage_is_found_then_repaired_then_gone(rag: Rag, copied_index: Path) -> None:
    before = json.loads(rag("search", QUESTION, "--json").out)
    (copied_index / CATALOG).write_bytes(b"not a database" * 1000)

    asked = rag("ask", QUESTION)
    found = rag("verify")
    repaired = rag("verify", "--repair")
    again = rag("verify")

    assert asked.code == 3
    assert "run 'rag verify --repair'" in asked.err
    assert found.code == 1
    assert f"\n{CATALOG}: " in found.out
    assert "run 'rag verify --repair'" in found.err
    assert repaired.code == 0, repaired.out
    assert f"\nrepaired: {CATALOG}: " in repaired.out
    assert again.code == 0
    assert json.loads(rag("search", QUESTION, "--json").out) == before


def test_what_cannot_be_repaired_is_said_with_exit_code_3(
    rag: Rag, copied_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied_index / CATALOG).write_bytes(b"not a database" * 1000)
    monkeypatch.setenv("RAG_DOCUMENTS", "missing")

    run = rag("verify", "--repair")

    assert run.code == 3
    assert f"\nNOT REPAIRED: {CATALOG}: " in run.out
    assert rag("ask", QUESTION).code == 3


def test_without_an_index_verify_says_how_to_make_one(rag_alone: Rag) -> None:
    run = rag_alone("verify")

    assert (run.code, run.out) == (3, "")
    assert "run 'rag index'" in run.err
