"""A real server over a few documents in two languages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from served import Serve, collections, serving, write_documents

from rag_app import RagApp


@pytest.fixture(scope="session", autouse=True)
def _data_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``docs`` and the index of it; only read it."""
    root = tmp_path_factory.mktemp("served")
    write_documents(root / "docs")
    RagApp(documents=root / "docs", index=root / "index").index()
    return root


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[str]:
    """Address of a server over ``folder``; only ask it."""
    with serving(collections(folder)) as url:
        yield url


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server over collections for one test, and return its address."""
    with ExitStack() as running:
        yield lambda *served, **options: running.enter_context(serving(*served, **options))


@pytest.fixture
def http(server: str) -> Iterator[httpx.Client]:
    """A client of the shared server."""
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client
