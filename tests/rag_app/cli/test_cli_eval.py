"""What ``rag eval`` prints, and that it only reads."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from running import DOCUMENTS, QUESTION, Rag, fingerprint, in_a_process, index_one_document

from rag_app.evaluation import requirements

QUESTIONS = DOCUMENTS.parent / "questions.jsonl"
EVAL_KEYS = (
    "dataset questions ndcg@10 recall@10 mrr@10 hit@1 hit@5 answer_in_context answer_in_answer f1 "
    "abstention citation_precision latency_ms"
).split()


def write_questions(*records: dict[str, object]) -> Path:
    file = Path("mine.jsonl")
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file


def test_the_sample_questions_are_answered_well_and_fast(rag: Rag, sample_index: Path) -> None:
    before = fingerprint(sample_index)
    started = time.process_time()

    run = rag("eval", str(QUESTIONS), "--json")

    assert time.process_time() - started < 30
    found = json.loads(run.out)
    assert list(found) == EVAL_KEYS
    assert list(found["abstention"]) == ["auroc", "precision", "recall"]
    assert list(found["latency_ms"]) == ["p50", "p95"]
    assert (found["dataset"], found["questions"]) == ("questions", 10)
    assert found["hit@5"] == 1.0
    assert found["answer_in_context"] == 1.0
    assert found["answer_in_answer"] >= 0.75
    assert found["abstention"]["recall"] == 1.0
    assert found["citation_precision"] == 1.0
    assert fingerprint(sample_index) == before


def test_what_the_questions_cannot_tell_is_null(rag: Rag) -> None:
    file = write_questions({"question": QUESTION})

    found = json.loads(rag("eval", str(file), "--json").out)

    told = {name for name, value in found.items() if value is not None}
    assert told == {"dataset", "questions", "abstention", "citation_precision", "latency_ms"}
    assert found["abstention"] == {"auroc": None, "precision": None, "recall": None}


def test_the_table_has_a_line_per_metric_with_its_interval(rag: Rag) -> None:
    run = rag("eval", str(QUESTIONS), "--limit", "4")

    lines = run.out.splitlines()
    assert lines[0] == "questions, 4 questions, extractive, bundled:e5-small-en-pt, top 5"
    assert lines[1].split() == ["value", "95%", "interval", "questions"]
    assert lines[2].split()[0] == "nDCG@10"
    assert lines[-1].startswith("latency")


def test_a_folder_is_measured_in_an_index_of_its_own_that_is_gone_afterwards(
    rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("set/documents").mkdir(parents=True)
    text = "The depot opens at seven.\n\nThe old bridge is made of copper."
    Path("set/documents/a.txt").write_text(text)
    Path("set/documents/b.txt").write_text("The library closes at noon on Fridays.")
    queries = [
        {
            "text": "What is the old bridge made of?",
            "answers": ["copper"],
            "source": "documents/a.txt",
            "evidence": "The old bridge is made of copper.",
            "evidence_span": [27, 60],
        },
        {"text": "When does the library close?", "answers": ["noon"], "source": "documents/b.txt"},
    ]
    Path("set/queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    Path("scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(Path("scratch").absolute()))
    before = fingerprint(Path())

    run = rag_alone("eval", "set", "--json")

    found = json.loads(run.out)
    names = ("ndcg@10", "recall@10", "hit@1", "answer_in_context", "answer_in_answer")
    assert [found[name] for name in names] == [1.0] * 5
    assert fingerprint(Path()) == before


def test_a_beir_folder_is_measured_by_passage(rag_alone: Rag) -> None:
    Path("set").mkdir()
    passages = [
        {"_id": "p/1", "title": "Bridge", "text": "The old bridge is made of copper."},
        {"_id": "p 2", "title": "Depot", "text": "The depot opens at seven."},
    ]
    Path("set/corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    Path("set/queries.jsonl").write_text('{"_id": "q", "text": "What is the bridge made of?"}')
    Path("set/qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp/1\t1\n")

    found = json.loads(rag_alone("eval", "set", "--json").out)

    assert (found["ndcg@10"], found["hit@1"], found["f1"]) == (1.0, 1.0, None)


def write_beir(passages: Sequence[dict[str, object]], relevant: Sequence[str]) -> None:
    Path("set/qrels").mkdir(parents=True)
    Path("set/corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    query = {"_id": "q", "text": "What is the bridge made of?", "metadata": {"answer": "copper"}}
    Path("set/queries.jsonl").write_text(json.dumps(query))
    rows = "".join(f"q\t{name}\t1\n" for name in relevant)
    Path("set/qrels/test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")


def test_a_passage_without_text_is_named_and_never_found(rag_alone: Rag) -> None:
    passages = [
        {"_id": "title", "title": "What the bridge is made of", "text": ""},
        {"_id": "text", "text": "The depot opens at seven."},
        {"_id": "neither", "title": "", "text": ""},
        {"_id": "blank", "text": "\n"},
    ]
    write_beir(passages, ["title", "neither"])

    run = rag_alone("eval", "set", "--json")

    found = json.loads(run.out)
    assert (found["hit@1"], found["recall@10"], found["mrr@10"]) == (1.0, 0.5, 1.0)
    assert [line for line in run.err.splitlines() if line.startswith("failed")] == [
        "failed: neither: has no text",
        "failed: blank: has no text",
    ]


def test_a_question_for_a_passage_without_text_is_a_miss(rag_alone: Rag) -> None:
    write_beir([{"_id": "neither", "text": ""}, {"_id": "b", "text": "A bridge."}], ["neither"])

    found = json.loads(rag_alone("eval", "set", "--json").out)

    assert [found[name] for name in ("ndcg@10", "recall@10", "mrr@10", "hit@5")] == [0.0] * 4


def test_a_set_without_any_text_is_wrong_use(rag_alone: Rag) -> None:
    write_beir([{"_id": "neither", "text": ""}], ["neither"])

    run = rag_alone("eval", "set")

    assert (run.code, run.out) == (2, "")
    assert run.err.endswith("set/corpus.jsonl has no passage with a text\n")


def test_a_comparison_names_what_flipped(rag: Rag) -> None:
    file = write_questions(
        {"question": QUESTION, "source": "en/embeddings.md", "answers": ["Tomas"]}
    )

    run = rag("eval", str(file), "--compare", "top_k=1", "--compare", "width=neighbours", "--json")

    found = json.loads(run.out)
    assert list(found) == ["before", "after", "changes", "flips"]
    assert list(found["before"]) == list(found["after"]) == EVAL_KEYS
    assert found["changes"]["hit@1"]["ties"] == 1
    assert found["flips"] == []


def test_a_comparison_of_chunk_sizes_makes_its_own_index(rag_alone: Rag) -> None:
    index = index_one_document(rag_alone)
    file = write_questions(
        {"question": QUESTION, "source": "en/embeddings.md", "answers": ["Tomas"]}
    )
    before = fingerprint(index)

    run = rag_alone("eval", str(file), "--compare", "chunk_tokens=32", "--index", str(index))

    assert run.code == 0
    assert "\nafter: mine, 1 questions, extractive, bundled:e5-small-en-pt, top 5, chunk" in run.out
    assert fingerprint(index) == before


def test_a_report_is_one_page(rag: Rag) -> None:
    run = rag("eval", str(QUESTIONS), "--limit", "2", "--report", "out/page")

    assert run.err.endswith("page: out/page/index.html\n")
    assert [path.name for path in Path("out/page").iterdir()] == ["index.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "name a data set, or generate one", id="nothing"),
        pytest.param(["gone"], "there is no data set gone", id="no such set"),
        pytest.param(["mine.jsonl", "--generate", "3"], "with --output mine.jsonl", id="both"),
        pytest.param(["--generate", "3", "--limit", "2"], "--generate only writes", id="limit"),
        pytest.param(["--generate", "3"], "'extractive' quotes", id="a model that can't write"),
        pytest.param(["mine.jsonl", "--output", "x"], "--output needs --generate", id="output"),
        pytest.param(["mine.jsonl", "--compare", "top_k"], "not KEY=VALUE", id="no value"),
        pytest.param(
            ["mine.jsonl", "--compare", "width=chunk", "--compare", "width=section"],
            "--compare has 'width' twice",
            id="a key twice",
        ),
        pytest.param(
            ["mine.jsonl", "--compare", "topk=1"], "did you mean 'top_k'", id="no setting"
        ),
        pytest.param(
            ["mine.jsonl", "--compare", "top_k=x"], "'top_k' can't be 'x'", id="no number"
        ),
        pytest.param(["mine.jsonl", "--limit", "0"], "--limit", id="no questions"),
        pytest.param(
            ["mine.jsonl"], "mine.jsonl, line 1: the index has no document 'b.md'", id="no document"
        ),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], message: str, rag: Rag) -> None:
    write_questions({"question": QUESTION, "source": "b.md"})

    run = rag("eval", *arguments)

    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert message in run.err


def test_evidence_that_is_not_there_is_named(rag: Rag) -> None:
    file = write_questions(
        {
            "question": "x",
            "source": "en/embeddings.md",
            "evidence_span": [0, 4],
            "evidence": "copper",
        }
    )

    run = rag("eval", str(file))

    assert run.code == 2
    assert "mine.jsonl, line 1: 'evidence_span' [0, 4] is not where the evidence stands" in run.err


def test_a_missing_package_is_said_before_anything_is_asked(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)

    run = rag("eval", "mine.jsonl")

    assert run.code == 2
    message = "error: measuring answers needs the extra 'eval': pip install 'ir-measures>="
    assert run.err.startswith(message)


def test_asking_loads_nothing_of_the_evaluation(sample_index: Path) -> None:
    run = in_a_process(
        "import sys",
        ["ask", QUESTION, "--index", str(sample_index)],
        "print(sorted({'matplotlib', 'scipy', 'ir_measures', 'pytrec_eval', 'rag_app.evaluation'} "
        "& set(sys.modules)), file=sys.stderr)",
    )

    assert (run.code, run.err) == (0, "[]\n")


Reply = Callable[[str], str]


@contextmanager
def chat_server(reply: Reply) -> Iterator[str]:
    """Yield the base URL of an OpenAI-compatible server that replies to the text of a chunk."""

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            shown = request["messages"][-1]["content"]
            content = reply(shown.partition("<<<\n")[2].rpartition("\n>>>")[0])
            body = json.dumps(_completion(content)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _completion(content: str) -> dict[str, object]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    return head | {"choices": [choice]}


def in_turn(*replies: Reply) -> Reply:
    """Return a reply that goes round ``replies``."""
    asked: list[str] = []

    def reply(text: str) -> str:
        asked.append(text)
        return replies[(len(asked) - 1) % len(replies)](text)

    return reply


def good(text: str) -> str:
    first = text.split()[:3]
    return f"Sure!\nQUESTION: Which words come  first?\nANSWER: {' '.join(first).upper()}\n"


def generate(rag: Rag, monkeypatch: pytest.MonkeyPatch, reply: Reply, *arguments: str):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with chat_server(reply) as url:
        monkeypatch.setenv("RAG_LLM_BASE_URL", url)
        return rag("eval", "--generate", "3", "--llm", "openai:m", *arguments)


def test_written_questions_stand_in_their_documents_and_can_be_measured(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = generate(rag, monkeypatch, good, "--output", "made.jsonl")

    assert (run.code, run.out) == (0, "")
    made = [json.loads(line) for line in Path("made.jsonl").read_text("utf-8").splitlines()]
    assert len(made) == 3
    for one in made:
        assert list(one) == ["question", "answers", "source", "evidence_span", "generated"]
        assert (one["question"], one["generated"]) == ("Which words come first?", True)
    monkeypatch.delenv("RAG_LLM_BASE_URL")
    found = json.loads(rag("eval", "made.jsonl", "--json").out)
    assert found["questions"] == 3
    assert 0 <= found["ndcg@10"] <= 1


def test_the_same_chunks_are_asked_about_every_time(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert generate(rag, monkeypatch, good).out == generate(rag, monkeypatch, good).out


GARBAGE: Sequence[object] = [
    pytest.param("I can't help with that.", id="no question"),
    pytest.param("QUESTION: Why?\nANSWER:", id="no answer"),
    pytest.param("QUESTION: Why?\nANSWER: gold from the moon", id="an answer that isn't there"),
    pytest.param("QUESTION: Tell me.\nANSWER: the", id="not a question"),
    pytest.param("ANSWER: the\nQUESTION: Why?", id="the wrong way round"),
    pytest.param("\x1b[2J]\u202e<<<>>>" * 50, id="controls"),
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_left_out_and_another_chunk_is_tried(
    garbage: str, rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = generate(rag, monkeypatch, in_turn(lambda text: garbage, good))

    assert run.code == 0
    assert len(run.out.splitlines()) == 3
    assert run.err == "3 questions from 6 chunks; review them before trusting a metric\n"


def test_a_model_that_writes_only_garbage_is_a_failure(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = generate(rag, monkeypatch, lambda text: "No.")

    assert (run.code, run.out) == (4, "")
    assert "openai:m wrote no question with an answer from its text" in run.err


def test_a_file_that_is_there_is_not_replaced(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("made.jsonl").write_text("mine")

    run = generate(rag, monkeypatch, good, "--output", "made.jsonl")

    assert (run.code, Path("made.jsonl").read_text()) == (2, "mine")
    assert "made.jsonl already exists" in run.err
