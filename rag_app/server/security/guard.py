"""The outermost layer of the server: who asks, by which name, from which page."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app.server.security.access import LOCAL, Access, Tokens
from rag_app.server.security.login import login_page
from rag_app.server.security.rates import Rates

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_COOKIE = "rag_session"
_ENTRIES = (("POST", "/login"), ("POST", "/logout"))
# Chosen by hand.
_SESSION_SECONDS = 12 * 3600
_MOST_SESSIONS = 1_000
_LONGEST_TOKEN = 500
_LOGIN_SECONDS = 10.0  # for the whole form
_LONGEST_PATH = 2_000
_TRIES = Rates(per_second=0.2, burst=10)
_LATER = {"Retry-After": "60"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer", our own forms would have no origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses requests without a right to an answer, and sets the headers of every response.

    In this order: the token, on every route; the name in ``Host``, which a page of another site
    can't choose (DNS rebinding); the origin of a request that changes something (CSRF). Who asks is
    in ``scope["state"]["access"]``.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens | None, hosts: Iterable[str] = ()) -> None:
        """Guard an application.

        Args:
            app: The application.
            tokens: The tokens that are accepted; None serves whoever can connect.
            hosts: Names that the server is reached by, besides loopback.
        """
        self._app = app
        self._tokens = tokens
        self._hosts = frozenset(map(str.lower, (*_LOOPBACK, *hosts)))
        self._sessions = _Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse or pass on a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send, scope["path"])
        access = self._access(scope)
        enters = self._tokens is not None and (scope["method"], scope["path"]) in _ENTRIES
        refusal = (
            (_without_access(scope) if access is None and not enters else None)
            or _odd_path(scope)
            or self._wrong_host(scope)
            or _cross_site(scope)
            or (await self._enter(scope, receive) if enters else None)
        )
        if refusal is not None:
            refusal.headers["Connection"] = "close"  # the rest of the body is never waited for
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, receive, send)

    def _access(self, scope: Scope) -> Access | None:
        """Return who asks, by the token or the session; None if the server does not know them."""
        if self._tokens is None:
            return LOCAL
        presented = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(presented) == 1:
            scheme, _, token = presented[0].decode("utf-8", "surrogateescape").partition(" ")
            if scheme.lower() == "bearer" and len(token) <= _LONGEST_TOKEN:
                return self._tokens.access(token.strip())
        return None if presented else self._sessions.access(_cookie(Headers(scope=scope)))

    def _wrong_host(self, scope: Scope) -> Response | None:
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(named) == 1 and _host_name(named[0]) in self._hosts:
            return None
        return _refused(421, "this server has another name: start it with --allow-host NAME")

    async def _enter(self, scope: Scope, receive: Receive) -> Response:
        """Log a browser in or out."""
        if scope["path"] == "/logout":
            self._sessions.end(_cookie(Headers(scope=scope)))
            return RedirectResponse("/", 303, {"Set-Cookie": _set_cookie("", 0, scope)})
        try:
            token = await asyncio.wait_for(_form_token(receive), _LOGIN_SECONDS)
        except TimeoutError:
            return _refused(408, "the body of the request came too slowly")
        access = self._tokens.access(token) if self._tokens else None
        if access is None:
            allowed = _TRIES.take(_client(scope))
            page = _page(Headers(scope=scope), 401 if allowed else 429, wrong=True)
            page.headers.update({} if allowed else _LATER)
            return page
        cookie = _set_cookie(self._sessions.begin(access), _SESSION_SECONDS, scope)
        return RedirectResponse("/", 303, {"Set-Cookie": cookie})


class _Sessions:
    """Who is logged in, in memory: random ids, the oldest of too many dropped."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, Access]] = OrderedDict()

    def begin(self, access: Access) -> str:
        session = secrets.token_urlsafe(32)
        self._known[session] = (time.monotonic() + _SESSION_SECONDS, access)
        while len(self._known) > _MOST_SESSIONS:
            self._known.popitem(last=False)
        return session

    def access(self, session: str) -> Access | None:
        ends, access = self._known.get(session, (0.0, LOCAL))
        return access if time.monotonic() < ends else None

    def end(self, session: str) -> None:
        self._known.pop(session, None)


def _without_access(scope: Scope) -> Response:
    """Return the response to a caller without a token: the login page to a browser."""
    headers = Headers(scope=scope)
    if "authorization" in headers and not _TRIES.take(_client(scope)):
        return _refused(429, "too many wrong tokens: wait a minute", _LATER)
    if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
        return _page(headers, 401)
    return _refused(401, "a token is needed", {"WWW-Authenticate": "Bearer"})


def _odd_path(scope: Scope) -> Response | None:
    """Refuse a path that could mean another one to what handles it."""
    path, raw = scope["path"], scope.get("raw_path") or b""
    odd = len(raw) > _LONGEST_PATH or "\\" in path or "\x00" in path or "//" in path
    return _refused(400, "not a path of this server") if odd or ".." in path.split("/") else None


def _cross_site(scope: Scope) -> Response | None:
    """Refuse a change that a page of another site may have asked for.

    Browsers name the origin of every request that is not GET or HEAD (Fetch standard, section 3.2).
    Old ones do not name it for forms, so a browser that names none is refused unless it sends a
    token, which no form can. A page can't choose the ``User-Agent`` of a form either, and every
    browser's begins with one of two words; a program such as curl has another.
    """
    if scope["method"] in _SAFE:
        return None
    headers = Headers(scope=scope)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None:
        own = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
        same = own and origin.lower().startswith(f"{scope['scheme']}://")
        return None if same else _refused(403, "a page of another site asked for a change")
    if site not in (None, "same-origin", "none"):
        return _refused(403, "a page of another site asked for a change")
    if site is None and _is_browser(headers) and not _has_token(headers):
        return _refused(403, "this browser does not say which page asked for the change")
    return None


def _is_browser(headers: Headers) -> bool:
    return headers.get("user-agent", "").startswith(("Mozilla/", "Opera/"))


def _has_token(headers: Headers) -> bool:
    return headers.get("authorization", "").lower().startswith("bearer ")


def _with_headers(send: Send, path: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if not path.startswith("/static/"):
                headers["Cache-Control"] = "no-store"
        await send(message)

    return send_with_headers


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        split = urlsplit(f"//{host}")
        valid = split.netloc == host and split.port is not False
    except ValueError:
        return ""
    return (split.hostname or "") if valid and "@" not in host else ""


async def _form_token(receive: Receive) -> str:
    body = b""
    while len(body) <= _LONGEST_TOKEN + 20:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    values = parse_qs(body.decode("latin-1")).get("token", [""])
    return values[0] if len(values[0]) <= _LONGEST_TOKEN else ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _set_cookie(session: str, seconds: int, scope: Scope) -> str:
    secure = "; Secure" if scope["scheme"] == "https" else ""
    return f"{_COOKIE}={session}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _page(headers: Headers, status: int, wrong: bool = False) -> Response:
    return HTMLResponse(login_page(headers.get("accept-language", ""), wrong), status)


def _refused(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status, headers)
