"""Who may import whom: the rules of CONTRIBUTING.md, and the names that the packages export."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import ingest
import rag_app

ROOT = Path(__file__).parents[1]
PACKAGES = ("ingest", "rag_app")
# Any module may import these.
LEAVES = (
    "ingest.errors",
    "ingest.settings",
    "ingest.types",
    "ingest.network",
    "ingest.text",
    "rag_app.settings",
    "rag_app.types",
    "rag_app.telemetry",
)
# These import leaves, themselves, and what stands after the colon.
STAGES = {
    "ingest.loaders": (),
    "ingest.chunking": (),
    "ingest.embeddings": (),
    "ingest.index": ("ingest.chunking", "ingest.embeddings"),
    "ingest.sync.ignore_rules": (),
    "ingest.sync.scan": ("ingest.sync.ignore_rules",),
    "ingest.sync.plan": ("ingest.index.records",),
    "rag_app.retrieval": (),
    "rag_app.prompts": (),
    "rag_app.llms": ("rag_app.extractive",),
    "rag_app.extractive": (),
    "rag_app.attribution": (),
}
PUBLIC = {
    "ingest": """
        UNDETERMINED Candidate Damage Document EmbeddingModel Exported FileProblem Heading
        IdentityError Imported Index IndexBusyError IndexDamagedError IndexMissingError
        IndexSettings IndexStatus IndexedDocument Language LoadError MissingExtraError
        MissingKeyError PagePicture PagePictures Passage Place ProviderError RagError
        Rollback ScoredSpan StoreError
        SyncProgress SyncReport SyncStage UsageError VerifyReport chunk_document
        client_options detect_language embedding_model export_index export_langchain
        followed_folder holds_index identify_language import_index import_langchain
        in_different_languages install_command is_loopback keep_offline load_cross_encoder
        model_folder open_index openai_address place_at place_of proxy_of proxy_problem
        roll_back split_sentences sync_folder sync_loader trace_addresses verify_index
        watch_folder""",
    "rag_app": """
        Answer Citation Condensed Conversation RagApp RagClient Retrieved ScoredChunk Settings
        Thinking Token ToolArtifact Turn chat_model load_prompt retrieval_qa""",
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@cache
def modules() -> Mapping[str, Path]:
    return {module_name(path): path for package in PACKAGES for path in files(package)}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules of ours that a file imports, wherever it does so."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def is_within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


@pytest.mark.parametrize("path", files("ingest"), ids=module_name)
def test_the_index_side_knows_nothing_of_answers(path: Path) -> None:
    assert not [name for name in imports(path) if is_within(name, ("rag_app",))]


@pytest.mark.parametrize("path", files("rag_app"), ids=module_name)
def test_the_answer_side_uses_only_what_the_index_side_exports(path: Path) -> None:
    inner = {name for name in imports(path) if name.startswith("ingest.")}
    assert not {name for name in inner if not is_within(name, ("ingest.text",))}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_leaves_itself_and_what_is_named(stage: str) -> None:
    allowed = (*LEAVES, stage, *STAGES[stage])
    for name, path in modules().items():
        if is_within(name, (stage,)):
            ours = {one for one in imports(path) if one.startswith(("ingest.", "rag_app."))}
            assert not {one for one in ours if not is_within(one, allowed)}, name


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_imports_only_leaves(leaf: str) -> None:
    for name, path in modules().items():
        if is_within(name, (leaf,)):
            ours = {one for one in imports(path) if one.startswith(("ingest.", "rag_app."))}
            assert not {one for one in ours if not is_within(one, LEAVES)}, name


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Lazy imports and those for type checking count."""
    pending = {name: imports(path) & modules().keys() - {name} for name, path in modules().items()}
    while free := {name for name, needed in pending.items() if not needed}:
        pending = {name: needed - free for name, needed in pending.items() if name not in free}
    assert not pending


def test_no_two_modules_have_the_same_name() -> None:
    shared = {"__init__", "__main__", "types", "errors", "settings"}
    names = [path.stem for path in modules().values() if path.stem not in shared]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("package", [ingest, rag_app], ids=lambda package: package.__name__)
def test_a_package_exports_these_names(package: object) -> None:
    name = package.__name__  # type: ignore[attr-defined]
    assert sorted(package.__all__) == sorted(PUBLIC[name].split())  # type: ignore[attr-defined]
    assert all(getattr(package, exported) is not None for exported in PUBLIC[name].split())


@pytest.mark.parametrize("module", ["ingest.errors", "ingest.settings", "rag_app"])
def test_a_light_module_loads_nothing_heavy(module: str) -> None:
    heavy = "{'faiss', 'langchain_core', 'numpy', 'openvino', 'torch'}"
    code = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
