"""Who may import whom: the drawing in CONTRIBUTING.md, checked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEAVES = {
    "ingest.errors",
    "ingest.types",
    "ingest.settings",
    "ingest.offline",
    "ingest.proxies",
    "ingest.language",
    "ingest.sentences",
    "ingest.index.rows",
    "rag_app.types",
    "rag_app.settings",
    "rag_app.abstention",
    "rag_app.cross_encoders",
    "rag_app.tables",
    "rag_app.terms",
}
STAGES = (
    "ingest.loaders",
    "ingest.chunking",
    "ingest.embeddings",
    "ingest.folder",
    "ingest.plan",
    "rag_app.retrieval",
    "rag_app.prompts",
    "rag_app.llms",
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", files("ingest"), ids=module_name)
def test_the_index_side_knows_nothing_of_answers(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("rag_app")]


@pytest.mark.parametrize("path", files("rag_app"), ids=module_name)
def test_the_answer_side_uses_only_what_the_index_side_exports(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("ingest.")]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_leaves_and_itself(stage: str) -> None:
    for path in (*files("ingest"), *files("rag_app")):
        if module_name(path) != stage and not module_name(path).startswith(f"{stage}."):
            continue
        ours = {name for name in imports(path) if name.startswith(("ingest.", "rag_app."))}
        strangers = {name for name in ours - LEAVES if not name.startswith(stage)}
        assert not strangers, f"{module_name(path)} imports {strangers}"
