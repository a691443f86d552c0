"""The API gives what RagApp gives, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import DOCUMENTS, Serve, collections, write_documents

from rag_app import RagApp

WARRANTY = "How long is the warranty of the Aurora lamp?"
HOLIDAYS = "Quantos dias de férias tem cada funcionário?"


def ask(http: httpx.Client, question: str, **more: Any) -> dict[str, Any]:
    response = http.post("/api/ask", json={"question": question, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def events(http: httpx.Client, path: str, **request: Any) -> list[tuple[str, dict[str, Any]]]:
    method = "POST" if "json" in request else "GET"
    headers = {"Accept": "text/event-stream"}
    text = http.request(method, path, headers=headers, **request).text
    blocks = [block.splitlines() for block in text.replace("\r\n", "\n").split("\n\n") if block]
    parts = [dict(line.split(": ", 1) for line in block) for block in blocks]
    return [(part["event"], json.loads(part["data"])) for part in parts if "event" in part]


@pytest.mark.parametrize(
    ("question", "source", "words"),
    [
        (WARRANTY, "warranty.md", "twenty-four months"),
        (HOLIDAYS, "ferias.md", "trinta dias"),
        ("How much is the Boreal lamp?", "prices.csv", "129.50"),
    ],
)
def test_an_answer_is_that_of_the_app_with_quotes_of_the_file(
    http: httpx.Client, folder: Path, question: str, source: str, words: str
) -> None:
    answer = ask(http, question)
    app = RagApp(documents=folder / "docs", index=folder / "index")
    expected = app.ask(question).to_record()
    for changing in ("timings",):
        answer.pop(changing), expected.pop(changing)
    assert (answer.pop("conversation"), answer.pop("turn")) == (None, None)
    assert answer == json.loads(json.dumps(expected))
    assert words in answer["answer"]
    first = answer["citations"][0]
    document = app.document(source)
    assert document is not None
    assert document.text[first["start"] : first["end"]] == first["quote"]
    assert first["source"] == source


def test_events_come_in_order_and_end_with_the_answer(http: httpx.Client) -> None:
    found = events(http, "/api/ask", json={"question": WARRANTY})
    names = [name for name, _ in found]
    assert names[0] == "retrieved"
    assert names[-1] == "answer"
    assert set(names[1:-1]) == {"token"}
    assert found[0][1]["chunks"][0]["source"] == "warranty.md"
    text = "".join(data["text"] for name, data in found if name == "token")
    assert text == found[-1][1]["answer"] == ask(http, WARRANTY)["answer"]


def test_a_search_returns_chunks_of_the_filtered_documents(http: httpx.Client) -> None:
    found = http.post("/api/search", json={"question": "lamp", "top_k": 2}).json()
    assert [set(one) for one in found] == [
        set("source page location start end text score dense lexical".split())
    ] * 2
    only = {"question": "lamp", "filter": {"type": "markdown", "language": "pt"}}
    assert {one["source"] for one in http.post("/api/search", json=only).json()} == {"ferias.md"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "question"),
        ({"question": ""}, 422, "question"),
        ({"question": "   "}, 400, "empty"),
        ({"question": "x" * 8_001}, 422, "8000"),
        ({"question": "x", "colour": "red"}, 422, "colour"),
        ({"question": "x", "top_k": 0}, 422, "top_k"),
        ({"question": "x", "filter": {"colour": "red"}}, 400, "colour"),
        ({"question": "x", "filter": {"since": "yesterday"}}, 400, "has to be a date"),
        ({"question": "x", "llm": "openai:gpt"}, 404, "not offered here: choose extractive"),
        ({"question": "x", "llm": "huggingface:/etc"}, 404, "not offered"),
        ({"question": "x", "prompt": "../../etc/passwd"}, 404, "there is no prompt"),
        ({"question": "x", "prompt": "condense"}, 404, "there is no prompt"),
        ({"question": "x", "conversation": "unknown"}, 404, "no conversation 'unknown'"),
    ],
)
def test_a_wrong_question_is_refused_with_the_reason(
    http: httpx.Client, body: dict[str, Any], status: int, said: str
) -> None:
    response = http.post("/api/ask", json=body)
    assert response.status_code == status
    assert said in response.text


INVALID = [
    b'{"question": "a very secret \\ud800"}',
    b'{"question": "x", "a very secret \\udfff": 1}',
    b'{"question": "x", "filter": {"source": "a very secret \\ud800"}}',
    b'{"question": "' + b"a very secret question " * 1_000 + b'"}',
    b'["a very secret list"]',
    b"{",
]


@pytest.mark.parametrize("body", INVALID, ids=range(len(INVALID)))
def test_a_body_that_is_not_valid_is_neither_repeated_nor_logged(
    http: httpx.Client, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    response = http.post("/api/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert isinstance(response.json()["detail"], str)
    assert len(response.text) < 300
    assert "secret question" not in response.text
    assert "secret" not in "".join(capfd.readouterr())


def test_a_collection_that_does_not_exist_is_named(http: httpx.Client) -> None:
    response = http.post("/api/ask?collection=other", json={"question": "x"})
    assert (response.status_code, response.json()) == (
        404,
        {"detail": "there is no collection 'other'"},
    )


def test_the_status_says_what_can_be_chosen(http: httpx.Client) -> None:
    status = http.get("/api/status").json()
    assert status["collections"] == [{"name": "documents", "writable": True}]
    assert status["models"] == [{"name": "extractive", "destinations": []}]
    assert status["prompts"] == ["qa", "qa-few-shot", "qa-pt", "qa-strict"]
    assert status["index"]["documents"] == len(DOCUMENTS)


def test_the_models_say_which_hosts_text_is_sent_to(serve: Serve, folder: Path) -> None:
    offered = ("openai:gpt-5-mini", "openai:gpt-5-mini,extractive")
    url = serve(collections(folder, *offered, openai_api_key="sk-x"))
    models = httpx.get(f"{url}/api/status").json()["models"]
    assert [one["destinations"] for one in models] == [[], ["api.openai.com"], ["api.openai.com"]]
    assert [one["name"] for one in models] == ["extractive", *offered]


def test_conversations_are_continued_renamed_exported_and_deleted(http: httpx.Client) -> None:
    made = http.post("/api/conversations").json()
    first = ask(http, WARRANTY, conversation=made["id"])
    assert (first["conversation"], first["turn"]) == (made["id"], 1)
    second = ask(http, "And of repairs in that time?", conversation=made["id"])
    assert second["turn"] == 2
    path = f"/api/conversations/{made['id']}"
    assert http.get("/api/conversations").json()[0]["title"] == WARRANTY
    assert http.patch(path, json={"title": " Garantia "}).json()["title"] == "Garantia"
    kept = http.get(path).json()
    assert [turn["question"] for turn in kept["turns"]] == [
        WARRANTY,
        "And of repairs in that time?",
    ]
    assert kept["turns"][0]["answer"]["citations"] == first["citations"]
    exported = http.get(f"{path}/export")
    assert exported.json() == kept
    assert "attachment" in exported.headers["content-disposition"]
    markdown = http.get(f"{path}/export?format=markdown").text
    assert markdown.startswith("# Garantia\n\n## How long is the warranty")
    assert "warranty\\.md" in markdown
    assert http.delete(path).status_code == 204
    assert http.get(path).status_code == 404


def test_feedback_is_kept_beside_the_conversations(serve: Serve, folder: Path) -> None:
    served = collections(folder)
    with httpx.Client(base_url=serve(served), timeout=60) as http:
        made = http.post("/api/conversations").json()
        answer = ask(http, HOLIDAYS, conversation=made["id"])
        judged = {"conversation": made["id"], "turn": 1, "helpful": True, "note": "ok"}
        assert http.post("/api/feedback", json=judged).status_code == 204
        assert http.post("/api/feedback", json={**judged, "turn": 2}).status_code == 404
    lines = served["documents"].feedback.file.read_text("utf-8").splitlines()
    record = json.loads(lines[-1])
    first = answer["citations"][0]
    assert (record["source"], record["evidence_span"]) == (
        "ferias.md",
        [first["start"], first["end"]],
    )


@pytest.fixture
def own(serve: Serve, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server over a folder of its own, with an index."""
    write_documents(tmp_path / "docs")
    RagApp(documents=tmp_path / "docs", index=tmp_path / "index").index()
    with httpx.Client(base_url=serve(collections(tmp_path)), timeout=60) as http:
        yield http


def settled(http: httpx.Client) -> dict[str, Any]:
    """Return the last index job once it has ended."""
    job: dict[str, Any] = events(http, "/api/index")[-1][1]
    return job


def test_an_upload_is_indexed_answered_replaced_and_deleted(
    own: httpx.Client, tmp_path: Path
) -> None:
    new = {"files": ("../rules.txt", "Visitors wear a green badge.")}
    assert own.post("/api/documents", files=new).json() == {"sources": ["rules.txt"]}
    assert settled(own)["report"]["new"] == 1
    assert "green badge" in ask(own, "What do visitors wear?")["answer"]
    assert own.post("/api/documents", files=new).status_code == 409
    other = {"files": ("rules.txt", "Visitors wear a blue badge.")}
    assert own.post("/api/documents?replace=true", files=other).status_code == 201
    assert settled(own)["report"]["changed"] == 1
    assert "blue badge" in ask(own, "What do visitors wear?")["answer"]
    assert own.get("/api/documents/original?source=rules.txt").text == "Visitors wear a blue badge."
    assert own.delete("/api/documents?source=rules.txt").status_code == 204
    assert settled(own)["report"]["deleted"] == 1
    assert sorted(one["source"] for one in own.get("/api/documents").json()["documents"]) == sorted(
        DOCUMENTS
    )
    assert {path.name for path in (tmp_path / "docs").iterdir()} == set(DOCUMENTS)


def test_the_last_document_can_be_deleted(own: httpx.Client) -> None:
    for name in DOCUMENTS:
        assert own.delete("/api/documents", params={"source": name}).status_code == 204
        settled(own)
    assert own.get("/api/documents").json()["documents"] == []
    response = own.post("/api/ask", json={"question": "x"})
    assert (response.status_code, "is empty" in response.text) == (400, True)


@pytest.mark.parametrize(
    "source", ["../index/CURRENT", "/etc/passwd", "docs", "none.md", "%2e%2e/x", "a\x00b"]
)
def test_only_documents_of_the_folder_are_read_or_deleted(
    own: httpx.Client, source: str, tmp_path: Path
) -> None:
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for response in (
        own.get("/api/documents/original", params={"source": source}),
        own.delete("/api/documents", params={"source": source}),
    ):
        assert response.status_code == 404
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


def test_a_folder_without_an_index_says_so_until_it_has_one(serve: Serve, tmp_path: Path) -> None:
    write_documents(tmp_path / "docs")
    with httpx.Client(base_url=serve(collections(tmp_path)), timeout=60) as http:
        assert http.get("/api/status").json()["index"] is None
        assert http.get("/api/documents").json()["documents"] == []
        assert http.post("/api/ask", json={"question": "x"}).status_code == 409
        assert http.post("/api/index", json={}).status_code == 202
        assert settled(http)["state"] == "done"
        assert "twenty-four" in ask(http, WARRANTY)["answer"]


def test_answers_are_counted_without_any_text(http: httpx.Client) -> None:
    def counted(outcome: str) -> float:
        labels = f'{{collection="documents",llm="extractive",outcome="{outcome}"}} '
        lines = http.get("/metrics").text.splitlines()
        found = [line.rpartition(" ")[2] for line in lines if f"rag_answers_total{labels}" in line]
        return float(found[0]) if found else 0.0

    before = counted("answered"), counted("abstained")
    ask(http, WARRANTY)
    ask(http, "Who won the football match on Mars?")
    assert (counted("answered"), counted("abstained")) == (before[0] + 1, before[1] + 1)
    assert "warranty" not in http.get("/metrics").text.lower()
