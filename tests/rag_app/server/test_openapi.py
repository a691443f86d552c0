"""The OpenAPI document is true."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fuzz import fuzz

ROUTES = {
    "/api/ask": {"post"},
    "/api/search": {"post"},
    "/api/documents": {"get", "post", "delete"},
    "/api/documents/original": {"get"},
    "/api/index": {"get", "post", "delete"},
    "/api/conversations": {"get", "post"},
    "/api/conversations/{id}": {"get", "patch", "delete"},
    "/api/conversations/{id}/export": {"get"},
    "/api/feedback": {"post"},
    "/api/status": {"get"},
    "/health": {"get"},
    "/metrics": {"get"},
}


def test_the_document_lists_every_route(server: str) -> None:
    paths = httpx.get(f"{server}/openapi.json").json()["paths"]
    assert ROUTES.items() <= {path: set(methods) for path, methods in paths.items()}.items()


@pytest.mark.slow
def test_no_request_gives_an_error_or_a_response_that_is_not_described(tmp_path: Path) -> None:
    done = fuzz(3, tmp_path)
    assert done.returncode == 0, done.stdout
