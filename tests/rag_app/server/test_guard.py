"""Nobody gets in without a token, by another name, or from another site's page."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from served import Serve, collections, serving

from rag_app.server.security import guard
from rag_app.server.security.access import Tokens, new_token
from rag_app.server.security.rates import Rates

TOKEN = "correct horse battery staple"
ROUTES = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/static/style.css"),
    ("GET", "/api/status"),
    ("GET", "/api/documents"),
    ("GET", "/api/documents/original?source=warranty.md"),
    ("DELETE", "/api/documents?source=warranty.md"),
    ("POST", "/api/ask"),
    ("POST", "/api/search"),
    ("POST", "/api/index"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("POST", "/mcp"),
    ("GET", "/none"),
    ("OPTIONS", "/api/ask"),
    ("TRACE", "/api/ask"),
]


@pytest.fixture(scope="module")
def locked(folder: Path) -> Iterator[str]:
    """Address of a server that asks for a token."""
    with serving(collections(folder), Tokens.of(SecretStr(TOKEN), None)) as url:
        yield url


@pytest.fixture(autouse=True)
def _many_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_TRIES", Rates(1_000, 1_000))


def raw(url: str, request: str | bytes) -> bytes:
    """Return the response to the bytes of a request."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request if isinstance(request, bytes) else request.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        parts = iter(lambda: connection.recv(65536), b"")
        return b"".join(parts)


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


WRONG = [
    None,
    "",
    "Bearer",
    "Bearer ",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN.upper()}",
    f"Basic {TOKEN}",
    f"{TOKEN}",
    "Bearer " + "x" * 5_000,
    "Bearer \xff\xfe",
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_the_token(locked: str, method: str, path: str) -> None:
    for wrong in WRONG:
        header = f"Authorization: {wrong}\r\n" if wrong is not None else ""
        request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n"
        assert status(raw(locked, request)) == 401, wrong


def test_the_token_opens_and_never_through_an_address(locked: str) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert httpx.get(f"{locked}/api/status", headers=headers).status_code == 200
    for path in (f"/api/status?token={TOKEN}", f"/api/status?access_token={TOKEN}"):
        assert httpx.get(locked + path).status_code == 401
    twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
    assert httpx.get(f"{locked}/api/status", headers=twice).status_code == 401


def test_a_browser_logs_in_and_out(locked: str) -> None:
    with httpx.Client(base_url=locked, headers={"Accept": "text/html"}) as browser:
        page = browser.get("/", headers={"Accept-Language": "pt-BR,pt;q=0.9"})
        assert (page.status_code, 'lang="pt"' in page.text) == (401, True)
        wrong = browser.post("/login", data={"token": "wrong"})
        assert (wrong.status_code, "not known" in wrong.text) == (401, True)
        done = browser.post("/login", data={"token": TOKEN})
        cookie = done.headers["set-cookie"]
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
        assert TOKEN not in cookie
        assert browser.get("/api/status").status_code == 200
        kept = dict(browser.cookies)
        assert browser.post("/logout").status_code == 303
        assert browser.get("/api/status").status_code == 401
        assert httpx.get(f"{locked}/api/status", cookies=kept).status_code == 401


def test_a_made_up_session_opens_nothing(locked: str) -> None:
    for value in ("", "x", "None", '"', "a" * 5_000):
        headers = {"Cookie": f"rag_session={value}"}
        assert httpx.get(f"{locked}/api/status", headers=headers).status_code == 401


def test_tokens_can_only_be_tried_so_often(locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_TRIES", Rates(0.0, 3))
    wrong = {"Authorization": "Bearer wrong"}
    tried = [httpx.get(f"{locked}/api/status", headers=wrong).status_code for _ in range(5)]
    assert tried == [401, 401, 401, 429, 429]
    assert httpx.post(f"{locked}/login", data={"token": "wrong"}).status_code == 429
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{locked}/api/status", headers=right).status_code == 200


def test_there_are_only_so_many_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_MOST_SESSIONS", 2)
    sessions = guard._Sessions()
    first, *others = (sessions.begin(guard.LOCAL) for _ in range(3))
    assert sessions.access(first) is None
    assert [sessions.access(one) for one in others] == [guard.LOCAL] * 2


HOSTS = [
    ("evil.example", 421),
    ("127.0.0.1.evil.example", 421),
    ("evil.example:80", 421),
    ("localhost.evil.example", 421),
    ("evil@127.0.0.1", 421),
    ("127.0.0.1:80@evil.example", 421),
    ("", 421),
    ("0.0.0.0", 421),
    ("127.0.0.1", 200),
    ("127.0.0.1:9999", 200),
    ("LOCALHOST", 200),
    ("[::1]:80", 200),
]


@pytest.mark.parametrize(("host", "expected"), HOSTS)
def test_only_its_own_names_are_answered(server: str, host: str, expected: int) -> None:
    request = f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert status(raw(server, request)) == expected


def test_two_names_or_none_are_refused(server: str) -> None:
    two = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    none = "GET /health HTTP/1.0\r\n\r\n"
    assert status(raw(server, two)) in (400, 421)
    assert status(raw(server, none)) == 421


def test_a_name_can_be_allowed(serve: Serve, folder: Path) -> None:
    url = serve(collections(folder), allowed_hosts=("Docs.example",))
    for host, expected in (("docs.example:443", 200), ("other.example", 421)):
        assert httpx.get(f"{url}/health", headers={"Host": host}).status_code == expected


ORIGINS = ["null", "https://evil.example", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
BODIES = {
    "application/json": b'{"question": "x"}',
    "text/plain": b'{"question": "x"}',
    "application/x-www-form-urlencoded": b"question=x",
    "multipart/form-data; boundary=b": b'--b\r\nContent-Disposition: form-data; name="files"; '
    b'filename="evil.txt"\r\n\r\nx\r\n--b--\r\n',
}


@pytest.mark.parametrize(
    ("method", "origin"), [*itertools.product(["POST", "PUT", "PATCH", "DELETE"], ORIGINS)]
)
def test_a_page_of_another_site_changes_nothing(server: str, method: str, origin: str) -> None:
    paths = ("/api/documents?source=warranty.md", "/api/ask", "/api/index", "/api/conversations")
    for path, (kind, body) in itertools.product(paths, BODIES.items()):
        headers = {"Origin": origin, "Content-Type": kind}
        response = httpx.request(method, server + path, headers=headers, content=body)
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
    before = httpx.get(f"{server}/api/documents").json()["documents"]
    assert [one["source"] for one in before] == ["ferias.md", "prices.csv", "warranty.md"]


def test_a_browser_that_says_cross_site_is_believed(server: str) -> None:
    for site, expected in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
        headers = {"Sec-Fetch-Site": site}
        body = {"question": "warranty"}
        response = httpx.post(f"{server}/api/ask", headers=headers, json=body, timeout=60)
        assert response.status_code == expected


def test_our_own_page_and_a_program_may_change_things(server: str) -> None:
    for headers in ({"Origin": server}, {}):
        assert httpx.post(f"{server}/api/conversations", headers=headers).status_code == 201


PATHS = ["/static/../../pyproject.toml", "/static/%2e%2e/%2e%2e/x", "/..%2f..%2fetc/passwd"]
PATHS += ["//evil.example/", "/static/..\\..\\x", "/a%00b", "/" + "a" * 5_000]


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_an_odd_path_is_refused(server: str, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert status(raw(server, request)) in (400, 404)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/health", 200),
        ("GET", "/none", 404),
        ("PUT", "/api/ask", 405),
        ("POST", "/api/ask", 422),
        ("GET", "/api/documents/original?source=none", 404),
    ],
)
def test_every_response_has_the_headers(server: str, method: str, path: str, expected: int) -> None:
    response = httpx.request(method, server + path)
    assert response.status_code == expected
    assert {name: response.headers[name] for name in guard._HEADERS} == guard._HEADERS
    assert response.headers["cache-control"] == "no-store"
    assert "server" not in response.headers


def test_collections_that_a_token_may_not_read_do_not_exist(serve: Serve, folder: Path) -> None:
    made = {name: new_token(name, [name], []) for name in ("documents", "other")}
    (folder / "rights.yaml").write_text("".join(entry for _, entry in made.values()))
    url = serve(collections(folder), Tokens.of(None, folder / "rights.yaml"))
    may, may_not = (
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        for token, _ in made.values()
    )
    with may, may_not:
        assert may.post("/api/ask", json={"question": "lamp"}).status_code == 200
        assert may.post("/api/index", json={}).status_code == 403
        for name in ("", "?collection=documents"):
            assert may_not.post(f"/api/ask{name}", json={"question": "lamp"}).status_code == 404
        assert [one.get("/metrics").status_code for one in (may, may_not)] == [403, 403]
        made_by = may.post("/api/conversations").json()["id"]
        assert may.get(f"/api/conversations/{made_by}").status_code == 200
        assert may_not.get(f"/api/conversations/{made_by}").status_code == 404


def test_nothing_of_a_question_is_logged(server: str, capfd: pytest.CaptureFixture[str]) -> None:
    httpx.post(f"{server}/api/ask", json={"question": "a very secret warranty"}, timeout=60)
    assert "secret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "request_line",
    ["POST /api/documents", "POST /login", "POST /logout", "GET /health"],
)
def test_who_is_refused_can_not_keep_the_connection(
    locked: str, request_line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_LOGIN_SECONDS", 0.3)
    host, port = locked.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        headers = "Host: 127.0.0.1\r\nContent-Length: 400\r\n\r\n"
        connection.sendall(f"{request_line} HTTP/1.1\r\n{headers}token=".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert status(answer) in (303, 401, 408)
    assert b"connection: close" in answer.lower()


def test_a_login_that_is_tried_too_often_says_when_to_try_again(
    locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_TRIES", Rates(0.0, 0))
    refused = httpx.post(f"{locked}/login", data={"token": "wrong"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert httpx.post(f"{locked}/login", data={"token": TOKEN}).status_code == 303


OLD_BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0"}


@pytest.mark.parametrize("kind", BODIES)
def test_a_browser_that_names_no_origin_changes_nothing(
    server: str, locked: str, kind: str
) -> None:
    sent = {**OLD_BROWSER, "Content-Type": kind}
    for more in ({}, {"Authorization": "Basic YTpi"}):
        refused = httpx.post(f"{server}/api/ask", headers={**sent, **more}, content=BODIES[kind])
        assert refused.status_code == 403
    with httpx.Client(base_url=locked, headers=OLD_BROWSER) as browser:
        entered = browser.post("/login", data={"token": TOKEN}, headers={"Origin": locked})
        assert entered.status_code == 303
        assert browser.post("/api/conversations").status_code == 403
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert browser.post("/api/conversations", headers=bearer).status_code == 201


def test_a_token_may_have_letters_of_any_alphabet(serve: Serve, folder: Path) -> None:
    token = "ação-и-слово-そうだよ"
    url = serve(collections(folder), Tokens.of(SecretStr(token), None))
    headers = {"Authorization": f"Bearer {token}".encode()}
    assert httpx.get(f"{url}/health", headers=headers).status_code == 200
    assert httpx.post(f"{url}/login", data={"token": token}).status_code == 303
