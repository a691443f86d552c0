"""The pages without script: forms, both languages, rights, and the failures of a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from html import unescape
from pathlib import Path

import httpx
import pytest
from served import Serve, collections, write_documents

from rag_app import RagApp
from rag_app.server.pages import translations
from rag_app.server.pages.translations import Texts, preferred_language
from rag_app.server.security.access import Access, Tokens
from rag_app.server.suggestions import suggested_questions

QUESTION = "How long does the warranty of the Aurora lamp last?"
ANSWER = "The warranty of the Aurora lamp lasts twenty-four months."
PT = {"Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8"}


@pytest.fixture
def own(tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    """A client of a server of its own, which it may change."""
    write_documents(tmp_path / "docs")
    RagApp(documents=tmp_path / "docs", index=tmp_path / "index").index()
    url = serve(collections(tmp_path))
    with httpx.Client(base_url=url, timeout=60, headers={"Origin": url}) as client:
        yield client


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def asked(http: httpx.Client, question: str = QUESTION, **form: str) -> httpx.Response:
    return http.post("/ask", data={"question": question, **form}, follow_redirects=True)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("en-GB,en;q=0.9,pt;q=0.8", "en"),
        ("fr,pt;q=0.5,en;q=0.4", "pt"),
        ("de, *;q=0.5", "en"),
        ("en;q=0, pt;q=0.1", "pt"),
        ("pt;q=x", "en"),
        ("", "en"),
    ],
)
def test_the_page_speaks_the_language_that_the_browser_prefers(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_every_text_has_the_same_values_in_both_languages() -> None:
    for key, (english, portuguese) in translations._TEXTS.items():
        names = [sorted(re.findall(r"\{(\w+)\}", one)) for one in (english, portuguese)]
        assert names[0] == names[1], key
        assert english, key
        assert portuguese, key


def test_every_text_is_shown_and_every_shown_text_exists() -> None:
    server = Path(translations.__file__).parent
    templates = "".join(one.read_text("utf-8") for one in (server / "templates").iterdir())
    modules = "".join(one.read_text("utf-8") for one in server.glob("*pages*.py"))
    script = "".join(one.read_text("utf-8") for one in (server / "static").glob("*.js"))
    keys = re.findall(r'(?:\bt|texts)\("(\w+)"', templates + modules)
    keys += [f"js_{key}" for key in re.findall(r'\btext\("(\w+)"', script)]
    states = {"indexed", "partial", "ignored", "failed"}
    assert {*keys, *states} == set(translations._TEXTS)


@pytest.mark.parametrize(
    ("location", "portuguese"),
    [
        ("page 3", "página 3"),
        ("line 12", "linha 12"),
        ("Prices!5", "Prices!5"),
        ("slide 2", "slide 2"),
        ("chapter 1, line 4", "capítulo 1, linha 4"),
        ("The line 4", "The line 4"),
        (None, ""),
    ],
)
def test_a_place_is_named_in_the_language_of_the_page(
    location: str | None, portuguese: str
) -> None:
    assert Texts("pt").place(location) == portuguese


@pytest.mark.parametrize(
    ("size", "english", "portuguese"),
    [
        (None, "", ""),
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1234, "1.2 kB", "1,2 kB"),
        (999_600, "1.0 MB", "1,0 MB"),
        (12_345_678, "12 MB", "12 MB"),
    ],
)
def test_a_size_is_written_for_people(size: int | None, english: str, portuguese: str) -> None:
    assert (Texts("en").size(size), Texts("pt").size(size)) == (english, portuguese)


def test_a_share_is_whole_only_if_nothing_is_missing() -> None:
    shares = [Texts("en").share(share) for share in (1.0, 0.99999, 0.5, 0.123)]
    assert shares == ["100%", "99.9%", "50%", "12.3%"]


def test_the_start_page_suggests_questions_of_the_folder(http: httpx.Client) -> None:
    shown = http.get("/api/suggestions").json()
    html = http.get("/").text
    assert 'lang="en"' in html
    assert all(text_of(one) in text_of(html) for one in shown)
    assert 'lang="pt-BR"' in http.get("/", headers=PT).text


def test_suggestions_come_from_headings(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "# Lamps\n\nLamps give light to every room of the house.\n\n## How are lamps cleaned?\n\n"
        "With warm water, once a week.\n\n## Warranty\n\nThe warranty lasts two years.\n"
    )
    (tmp_path / "docs" / "b.md").write_text(
        "# Férias\n\nAs férias são de trinta dias por ano.\n\n## Pedido\n\nO pedido é simples.\n"
    )
    collection = collections(tmp_path)["documents"]
    assert suggested_questions(collection) == []
    collection.app.index()
    english = ["How are lamps cleaned?", "What does “Lamps” say about “Warranty”?"]
    portuguese = "O que “Férias” diz sobre “Pedido”?"
    assert suggested_questions(collection) == [english[0], portuguese, english[1]]
    assert suggested_questions(collection, "pt", most=2) == [portuguese, english[0]]


def test_a_form_asks_and_shows_the_conversation(own: httpx.Client) -> None:
    shown = asked(own)
    assert shown.url.path.startswith("/conversations/")
    assert shown.url.fragment == "turn-1"
    assert f"{ANSWER}" in text_of(shown.text)
    link = re.search(r'href="(/source\?[^"]*)"', shown.text)
    assert link is not None
    source = own.get(unescape(link[1]))
    assert f"<mark>{ANSWER}</mark>" in source.text
    again = asked(own, "When?", conversation=shown.url.path.rpartition("/")[2])
    assert again.url.path == shown.url.path
    assert again.text.count('<article id="turn-') == 2


def test_a_form_with_a_filter_asks_only_what_matches(own: httpx.Client) -> None:
    shown = asked(own, source="ferias.md")
    assert "warranty.md" not in text_of(shown.text)


def test_a_failed_question_leaves_no_conversation(own: httpx.Client) -> None:
    shown = asked(own, llm="openai:unknown")
    assert shown.status_code == 404
    assert "the model 'openai:unknown' is not offered here" in text_of(shown.text)
    assert own.get("/api/conversations").json() == []


def test_forms_rename_judge_and_delete_a_conversation(own: httpx.Client) -> None:
    path = asked(own).url.path
    renamed = own.post(f"{path}/rename", data={"title": "<i>Lamp</i>"}, follow_redirects=True)
    assert "<bdi>&lt;i&gt;Lamp&lt;/i&gt;</bdi>" in renamed.text
    judged = own.post(f"{path}/feedback", data={"turn": 1, "helpful": "false", "note": "?"})
    assert (judged.status_code, judged.headers["location"]) == (
        303,
        f"{path}?collection=documents#turn-1",
    )
    assert own.post(f"{path}/feedback", data={"turn": 2, "helpful": "true"}).status_code == 404
    assert own.post(f"{path}/delete").headers["location"] == "/?collection=documents"
    gone = own.get(path, headers=PT)
    assert (gone.status_code, "Não há nada aqui" in gone.text) == (404, True)


def test_the_documents_are_filtered_and_sorted(http: httpx.Client) -> None:
    def rows(query: str) -> list[str]:
        html = http.get(f"/documents?{query}").text
        return re.findall(r'<th scope="row">.*?<bdi>([^<]*)</bdi>', html)

    assert rows("") == ["ferias.md", "prices.csv", "warranty.md"]
    assert rows("descending=true") == ["warranty.md", "prices.csv", "ferias.md"]
    assert rows("sort=size") == ["prices.csv", "warranty.md", "ferias.md"]
    assert rows("find=WARR") == ["warranty.md"]
    assert rows("type=csv") == ["prices.csv"]
    assert rows("language=pt&state=indexed") == ["ferias.md"]
    assert rows("state=failed") == []


def test_a_long_list_of_documents_is_shown_in_pages(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "docs").mkdir()
    for n in range(120):
        (tmp_path / "docs" / f"{n:03}.bin").write_bytes(b"\x00")
    (tmp_path / "docs" / "a.md").write_text("# Lamps\n\nLamps give light.")
    RagApp(documents=tmp_path / "docs", index=tmp_path / "index").index()
    url = serve(collections(tmp_path))
    first, last = (httpx.get(f"{url}/documents?number={n}").text for n in (1, 99))
    assert (first.count('<th scope="row">'), last.count('<th scope="row">')) == (50, 21)
    assert ("1–50 of 121" in first, "101–121 of 121" in last) == (True, True)


def test_a_form_uploads_and_deletes(own: httpx.Client) -> None:
    files = [("files", ("new.txt", b"The harbour opens at six in the morning."))]
    assert own.post("/documents", files=files).status_code == 303
    taken = own.post("/documents", files=files)
    assert (taken.status_code, "there is a file 'new.txt' already" in text_of(taken.text)) == (
        409,
        True,
    )
    assert own.post("/documents", files=files, data={"replace": "true"}).status_code == 303
    assert own.post("/documents/delete", data={"source": "warranty.md"}).status_code == 303
    assert own.post("/documents/index", data={"rebuild": "true"}).status_code == 303
    assert own.post("/documents/cancel").status_code == 303
    assert own.post("/documents/delete", data={"source": "../x"}).status_code == 404


def test_who_may_only_read_is_offered_no_change(tmp_path: Path, serve: Serve) -> None:
    write_documents(tmp_path / "docs")
    RagApp(documents=tmp_path / "docs", index=tmp_path / "index").index()
    url = serve(collections(tmp_path), tokens=reading_token())
    reader = {"Authorization": "Bearer reader"}
    html = httpx.get(f"{url}/documents", headers=reader).text
    assert 'type="file"' not in html
    assert "/documents/delete" not in html
    changed = {"source": "warranty.md"}
    for path in ("/documents/delete", "/documents/index"):
        assert httpx.post(url + path, headers=reader, data=changed).status_code == 403


def reading_token() -> Tokens:
    access = Access("reader", write=frozenset())
    return Tokens([(sha256(b"reader").digest(), access)])


def test_an_empty_folder_says_what_to_do(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "docs").mkdir()
    url = serve(collections(tmp_path))
    for path in ("/", "/documents"):
        shown = httpx.get(url + path)
        assert shown.status_code == 200
        assert "Nothing to ask yet" in shown.text
        assert 'type="file"' in shown.text


def test_a_failure_is_a_page_in_the_language_of_the_browser(http: httpx.Client) -> None:
    for path, status in (
        ("/conversations/none", 404),
        ("/source?source=none&start=0&end=1", 404),
        ("/source?source=warranty.md&start=5&end=2", 404),
        ("/source?source=warranty.md&start=x", 422),
        ("/documents?number=0", 422),
        ("/?collection=none", 404),
    ):
        shown = http.get(path, headers=PT)
        assert shown.status_code == status
        assert 'lang="pt-BR"' in shown.text


def test_nothing_is_inline(http: httpx.Client) -> None:
    for path in ("/", "/documents", "/search?q=lamp", "/conversations"):
        html = http.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=\"/static/)", html)


def test_static_files_are_named_by_their_content(http: httpx.Client) -> None:
    html = http.get("/").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
        assert http.get(path).status_code == 200
    assert re.search(r"/static/[0-9a-f]{10}/app\.js", html)
    assert http.get("/static/0000000000/app.js").status_code == 404


def test_the_api_gives_what_the_source_page_shows(http: httpx.Client) -> None:
    text = http.get("/api/documents/text", params={"source": "prices.csv", "start": 20, "end": 24})
    assert text.json()["kind"] == "table"
    assert text.json()["table"]["columns"] == ["Product", "Price", "Stock"]
    for query, status in (
        ({"source": "prices.csv", "page": 1}, 404),
        ({"source": "none", "page": 1}, 404),
        ({"source": "prices.csv", "page": 0}, 422),
    ):
        assert http.get("/api/documents/page", params=query).status_code == status  # type: ignore[arg-type]


def test_what_leaves_for_an_embedding_is_named_too(tmp_path: Path) -> None:
    pytest.importorskip("langchain_openai")
    (tmp_path / "docs").mkdir()
    hosted = {"embedding": "openai:e", "embedding_base_url": "https://embed.example/v1"}
    served = collections(tmp_path, "openai:m", openai_api_key="sk-x", **hosted)
    named = {one.name: one.destinations for one in served["documents"].models}
    assert named == {
        "extractive": ("embed.example",),
        "openai:m": ("api.openai.com", "embed.example"),
    }
    served.close()


def test_a_document_is_shown_whole_without_a_span(server: str) -> None:
    page = httpx.get(f"{server}/source", params={"source": "warranty.md"})
    assert page.status_code == 200
    for words in ("The warranty of the Aurora lamp", "Repairs are free of charge"):
        assert words in page.text
    assert "<mark>" not in page.text
    listed = httpx.get(f"{server}/documents").text
    assert "/source?collection=documents&amp;source=warranty.md" in listed
    assert httpx.get(f"{server}/source", params={"source": "none.md"}).status_code == 404
