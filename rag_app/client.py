"""Ask a running ``rag serve`` from a script: warm answers without loading a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx

from ingest import Place, ProviderError, RagError, UsageError
from rag_app.types import Answer, Event, Retrieved, ScoredChunk, Thinking, Token

_EVENTS = "text/event-stream"


class RagClient:
    """Calls the API of a server.

    >>> with RagClient("http://127.0.0.1:8765") as client:
    ...     print(client.ask("What is a token?"))

    Every method raises `UsageError` where the server refuses the request, and `ProviderError` where
    it can't be reached or fails.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        collection: str | None = None,
        timeout: float = 120,
    ) -> None:
        """Make a client.

        Args:
            url: Address of the server.
            token: Its token, if it asks for one.
            collection: The collection to use; None is the first that the token may read.
            timeout: Longest wait for the server, in seconds.

        Raises:
            UsageError: The address is not one of a server.
        """
        if not url.startswith(("http://", "https://")):
            raise UsageError(
                f"'{url}' is not the address of a server: use one as in http://127.0.0.1:8765"
            )
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            params={"collection": collection} if collection else {},
            timeout=timeout,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def ask(self, question: str, **choices: Any) -> Answer:
        """Return the answer to a question with its citations.

        Args:
            question: The question.
            choices: ``filter``, ``top_k``, ``llm``, ``prompt`` and ``conversation``, as in the API.
        """
        return Answer.from_record(self._json("POST", "/api/ask", json=_body(question, choices)))

    def stream(self, question: str, **choices: Any) -> Iterator[Event]:
        """Yield the retrieved chunks, the answer's tokens, then the answer; see :meth:`ask`."""
        body = _body(question, choices)
        with self._sent("POST", "/api/ask", json=body, headers={"Accept": _EVENTS}) as response:
            for name, data in _events(response.iter_lines()):
                if event := _event(name, data):
                    yield event

    def search(self, question: str, **choices: Any) -> list[ScoredChunk]:
        """Return the best chunks for a question, best first, with ``filter`` and ``top_k``."""
        found = self._json("POST", "/api/search", json=_body(question, choices))
        return [_chunk(record) for record in found]

    def documents(self) -> list[dict[str, Any]]:
        """Return every document with its state, as ``GET /api/documents`` lists them."""
        listed: list[dict[str, Any]] = self._json("GET", "/api/documents")["documents"]
        return listed

    def upload(
        self, paths: Path | str | Iterable[Path | str], *, replace: bool = False
    ) -> list[str]:
        """Upload files, and return their sources; the server begins to index them.

        Args:
            paths: The file or files.
            replace: Replace documents of the same names, instead of an error.

        Raises:
            UsageError: A file can't be read.
        """
        paths = [paths] if isinstance(paths, Path | str) else paths
        with ExitStack() as opened:
            files = [
                ("files", (path.name, opened.enter_context(_opened(path))))
                for path in map(Path, paths)
            ]
            sent = self._json("POST", f"/api/documents?replace={str(replace).lower()}", files=files)
        sources: list[str] = sent["sources"]
        return sources

    def delete(self, source: str) -> None:
        """Delete a document of the folder; the server begins to remove its text."""
        with self._sent("DELETE", "/api/documents", params={"source": source}):
            pass

    def index(self, *, rebuild: bool = False, retry_failed: bool = False) -> dict[str, Any]:
        """Sync the index with its folder, wait for the end, and return the report.

        Raises:
            UsageError: The job failed or was cancelled.
        """
        self._json("POST", "/api/index", json={"rebuild": rebuild, "retry_failed": retry_failed})
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """Wait until no index job runs, and return the report of the last one.

        Raises:
            UsageError: The job failed or was cancelled.
        """
        job: dict[str, Any] = {}
        with self._sent("GET", "/api/index", headers={"Accept": _EVENTS}) as response:
            for _, data in _events(response.iter_lines()):
                job = data
        if job.get("state") in ("failed", "cancelled"):
            raise UsageError(f"the index job {job['state']}: {job['error'] or 'as requested'}")
        return job.get("report") or {}

    def status(self) -> dict[str, Any]:
        """Return what the collection holds and what can be chosen."""
        status: dict[str, Any] = self._json("GET", "/api/status")
        return status

    def _json(self, method: str, path: str, **request: Any) -> Any:
        with self._sent(method, path, **request) as response:
            response.read()
            return response.json()

    @contextmanager
    def _sent(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(method, path, **request) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                yield response
        except httpx.HTTPError as error:
            raise ProviderError(
                f"the server {self._http.base_url} did not answer ({error}): "
                "is 'rag serve' running?"
            ) from error


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error


def _body(question: str, choices: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": question} | {key: one for key, one in choices.items() if one is not None}


def _refusal(response: httpx.Response) -> RagError:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"status {response.status_code}"
    if response.status_code == 401:
        known = "Authorization" in response.request.headers
        problem = "does not know this token" if known else "asks for a token"
        return UsageError(f"the server {problem}: set RAG_SERVER_TOKEN, or give token=")
    if response.status_code < 500:
        return UsageError(f"the server refused: {detail}")
    return ProviderError(f"the server failed: {detail}")


def _events(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and data of server-sent events (WHATWG HTML, section 9.2)."""
    name, data = "", ""
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data += value.removeprefix(" ")
        elif not line and data:
            yield name, json.loads(data)
            name, data = "", ""


def _event(name: str, data: dict[str, Any]) -> Event | None:
    match name:
        case "retrieved":
            return Retrieved(tuple(map(_chunk, data["chunks"])))
        case "thinking":
            return Thinking(data["text"])
        case "token":
            return Token(data["text"])
        case "answer":
            return Answer.from_record(data)
        case "error":
            raise ProviderError(f"the server failed: {data['detail']}")
    return None


def _chunk(record: Mapping[str, Any]) -> ScoredChunk:
    place = Place(record["start"], record["location"] or "", record["page"])
    kept = ("text", "source", "start", "end", "score", "dense", "lexical")
    return ScoredChunk(places=(place,), **{name: record[name] for name in kept})
