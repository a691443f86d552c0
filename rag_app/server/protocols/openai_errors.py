"""Errors in the shape that OpenAI's clients read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from ingest import RagError
from rag_app.server.api.schemas import Problem
from rag_app.server.protocols.openai_schemas import ErrorBody, ErrorDetail
from rag_app.server.requests import problems, status_of

_LOG = logging.getLogger(__name__)
_INTERNAL = "an internal error: the log of the server has more"
_OURS = (409, 502)


class OpenAIError(Exception):
    """A request that this API refuses."""

    def __init__(
        self, message: str, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status


class OpenAIRoute(APIRoute):
    """A route whose errors have OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which returns an error of ours as a response."""
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except (OpenAIError, RequestValidationError, HTTPException, RagError) as error:
                return JSONResponse(error_body(error).model_dump(), _status(error))

        return handle_or_explain


def openai_problems() -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of failures for the OpenAPI document.

    The guard and the limits answer in our own shape; clients go by the status.
    """
    ours: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in _OURS}
    either = {status: {"model": ErrorBody | Problem} for status in (400, 404, 503)}
    return problems(408, 413) | ours | either


def error_body(error: Exception) -> ErrorBody:
    """Return what a client is told of an error."""
    match error:
        case OpenAIError():
            detail = _detail(str(error), error.param, error.code)
        case RequestValidationError():
            detail = _detail(*_first_invalid(error.errors()))
        case HTTPException():
            detail = _detail(error.detail)
        case RagError():
            detail = _detail(str(error), code=type(error).__name__)
        case _:
            _LOG.error("an answer failed", exc_info=error)
            detail = _detail(_INTERNAL)
    if _status(error) >= 500:
        detail.type = "server_error"
    return ErrorBody(error=detail)


def refuse(**unsupported: bool) -> None:
    """Raise OpenAIError for the first parameter that a request should not have."""
    for param, given in unsupported.items():
        if given:
            raise OpenAIError(
                f"{param} is not supported here: an answer is one text with citations",
                param,
                "unsupported_parameter",
            )


def _status(error: Exception) -> int:
    match error:
        case OpenAIError():
            return error.status
        case HTTPException():
            return error.status_code
        case RequestValidationError():
            return 400
    return status_of(error)


def _detail(message: str, param: str | None = None, code: str | None = None) -> ErrorDetail:
    return ErrorDetail(message=message, type="invalid_request_error", param=param, code=code)


def _first_invalid(problems: Iterable[dict[str, Any]]) -> tuple[str, str | None]:
    first = next(iter(problems))
    param = ".".join(str(part) for part in first["loc"] if part != "body") or None
    return (f"{param}: {first['msg']}" if param else str(first["msg"])), param
