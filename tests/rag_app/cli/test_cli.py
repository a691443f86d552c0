"""What the ``rag`` command prints, and where."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from running import DOCUMENTS, QUESTION, Rag, fingerprint, in_a_process

ASK_KEYS = (
    "question answer abstained nearest citations unsupported conflicts retrieval_confidence "
    "llm usage timings"
).split()
CITATION_KEYS = "n source page start end quote score verified language location".split()
SEARCH_KEYS = "source page location start end text score dense lexical".split()
INDEX_KEYS = (
    "new changed renamed deleted unchanged failed newly_failed partial ignored coverage chunks "
    "embedded reused seconds slowest"
).split()
STATUS_KEYS = (
    "documents chunks generation embedding index_type bytes failed partial ignored coverage usage"
).split()
USAGE_KEYS = "questions cached input_tokens output_tokens cost".split()
COMMANDS = (
    "index ask search show chat compare status verify export import doctor config tokens".split()
)


def test_help_lists_every_command(rag_alone: Rag) -> None:
    run = rag_alone("--help")
    assert run.code == 0
    listed = [line.split()[0] for line in run.out.splitlines() if line.startswith("  ")]
    assert [word for word in listed if word in COMMANDS] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_common_options(command: str, rag_alone: Rag) -> None:
    shown = rag_alone(command, "--help").out
    assert all(option in shown for option in ("--index", "--json", "--debug", "--quiet"))


def test_an_answer_comes_with_each_quote_once_and_the_command_that_shows_its_place(
    rag: Rag,
) -> None:
    question = "What does LoRA freeze, and how many parameters does it save?"
    answer = json.loads(rag("ask", question, "--json").out)
    run = rag("ask", question)
    assert run.code == 0
    assert run.out.startswith(answer["answer"])
    assert len(answer["citations"]) > 1
    for citation in answer["citations"]:
        place = f"{citation['source']}:{citation['start']}-{citation['end']}"
        line = rf"^\[{citation['n']}\] {citation['source']}, .+ \(rag show {place}\)$"
        assert re.search(line, run.out, re.MULTILINE)
        assert run.out.count(citation["quote"]) == 1
        command = re.search(rf"rag (show) ({place})\)", run.out)
        assert command
        assert json.loads(rag(*command.groups(), "--json").out)["quote"] == citation["quote"]


def test_a_quote_that_the_answer_has_in_other_words_stands_below_its_place(
    rag_alone: Rag,
) -> None:
    Path("my docs").mkdir()
    wrapped = "The dry dock of Setúbal was\nwidened in the spring of 1987."
    Path("my docs/it's a dock.txt").write_text(wrapped)
    rag_alone("index", "my docs", "--index", "i")
    question = "When was the dry dock of Setúbal widened?"
    [citation] = json.loads(rag_alone("ask", question, "--index", "i", "--json").out)["citations"]
    run = rag_alone("ask", question, "--index", "i")
    assert citation["quote"] == wrapped
    text, place, *quote = run.out.splitlines()[0], *run.out.splitlines()[2:]
    assert text == f"{wrapped.replace(chr(10), ' ')} [1]"
    assert quote == wrapped.splitlines()
    typed = shlex.split(place.partition("(")[2].rstrip(")"))
    assert typed == ["rag", "show", f"it's a dock.txt:0-{len(wrapped)}"]
    assert json.loads(rag_alone(*typed[1:], "--index", "i", "--json").out)["quote"] == wrapped


def test_ask_json_has_the_stable_shape(rag: Rag) -> None:
    run = rag("ask", QUESTION, "--json")
    answer = json.loads(run.out)
    assert list(answer) == ASK_KEYS
    assert answer["question"] == QUESTION
    assert answer["llm"] == "extractive"
    assert answer["abstained"] is False
    assert list(answer["citations"][0]) == CITATION_KEYS
    assert all(len(c["quote"]) == c["end"] - c["start"] for c in answer["citations"])


def test_what_the_documents_do_not_say_is_an_abstention(rag: Rag) -> None:
    answer = json.loads(rag("ask", "Who won the chess olympiad of 1978?", "--json").out)
    assert answer["abstained"] is True
    assert answer["citations"] == []


def test_a_question_can_come_from_stdin(rag: Rag) -> None:
    piped = json.loads(rag("ask", "-", "--json", stdin=f"{QUESTION}\n").out)
    assert piped["question"] == QUESTION


def test_explain_shows_each_retrieved_chunk_with_its_scores(rag: Rag) -> None:
    run = rag("ask", QUESTION, "--explain", "--top-k", "3")
    rows = run.out.partition("retrieved:\n")[2].splitlines()
    assert [row[:9] for row in rows] == ["1. (score", "2. (score", "3. (score"]


def test_explain_leaves_json_alone(rag: Rag) -> None:
    run = rag("ask", QUESTION, "--explain", "--json")
    assert list(json.loads(run.out)) == ASK_KEYS
    assert "retrieved:" in run.err


def test_search_json_has_the_stable_shape_best_first(rag: Rag) -> None:
    found = json.loads(rag("search", QUESTION, "--top-k", "4", "--json").out)
    assert [list(chunk) for chunk in found] == [SEARCH_KEYS] * 4
    scores = [chunk["score"] for chunk in found]
    assert scores == sorted(scores, reverse=True)


def test_a_filter_keeps_one_source(rag: Rag) -> None:
    best = json.loads(rag("search", QUESTION, "--json").out)[0]["source"]
    kept = json.loads(rag("search", QUESTION, "--filter", f"source={best}", "--json").out)
    assert {chunk["source"] for chunk in kept} == {best}


def test_a_filter_that_nothing_fits_is_told(rag: Rag) -> None:
    for command in ("ask", "search"):
        run = rag(command, QUESTION, "--filter", "source=en/nowhere.md")
        assert run.code == 0
        assert "nothing in the index matches the --filter" in run.err


def test_a_filter_by_what_no_document_has_is_wrong_use(rag: Rag) -> None:
    for command in ("ask", "search"):
        run = rag(command, QUESTION, "--filter", "sorce=en/embeddings.md")
        assert (run.code, run.out) == (2, "")
        assert run.err == (
            "error: nothing in the index has 'sorce' to filter by; did you mean 'source'?\n"
        )


def test_status_json_has_the_stable_shape(rag: Rag) -> None:
    status = json.loads(rag("status", "--json").out)
    assert list(status) == STATUS_KEYS
    files = [path for path in DOCUMENTS.rglob("*") if path.is_file()]
    assert status["documents"] == len(files)
    assert status["embedding"] == "bundled:e5-small-en-pt"
    assert status["failed"] == []
    assert list(status["usage"]) == USAGE_KEYS


def test_a_second_index_run_changes_nothing(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/a.txt").write_text("The depot opens at seven.")
    first = json.loads(rag_alone("index", "documents", "--index", "i", "--json").out)
    second = json.loads(rag_alone("index", "documents", "--index", "i", "--json").out)
    assert list(first) == list(second) == INDEX_KEYS
    assert (first["new"], first["unchanged"], first["embedded"]) == (1, 0, 1)
    assert (second["new"], second["unchanged"], second["embedded"]) == (0, 1, 0)


def test_a_dry_run_says_what_would_change_and_changes_nothing(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/a.txt").write_text("The depot opens at seven.")
    before = fingerprint(Path())
    run = rag_alone("index", "documents", "--index", "i", "--dry-run")
    assert (run.code, run.out) == (0, "would change, files: 1 new\n")
    assert fingerprint(Path()) == before


def test_a_file_that_fails_is_named_and_the_rest_is_indexed(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/a.txt").write_text("The depot opens at seven.")
    Path("documents/b.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    run = rag_alone("index", "documents", "--index", "i")
    assert run.code == 1
    assert run.out.startswith(
        "files: 1 new, 1 failed; read: 1 of 2 files, 50.0% of their characters; "
        "chunks: 1 (1 embedded, 0 reused)"
    )
    assert run.err.startswith("failed: b.pdf: ")
    assert rag_alone("search", "depot", "--index", "i").out.endswith("The depot opens at seven.\n")


def test_quiet_keeps_stderr_empty(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/b.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    run = rag_alone("index", "documents", "--index", "i", "--quiet")
    assert (run.code, run.err) == (1, "")


def test_config_tells_where_a_value_came_from_and_masks_keys(
    rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    Path("rag.toml").write_text("top_k = 7\ntopk = 8\n")
    run = rag_alone("config", "--json")
    rows = {row["name"]: (row["value"], row["origin"]) for row in json.loads(run.out)}
    assert rows["top_k"] == ("7", "rag.toml")
    assert rows["openai_api_key"] == ("********", "environment OPENAI_API_KEY")
    assert run.err == "note: topk in rag.toml is not a setting; did you mean 'top_k'?\n"
    assert "sk-secret" not in rag_alone("config").out


def test_tokens_shows_how_the_embedding_model_splits_a_text(rag_alone: Rag) -> None:
    text = "Unbelievable tokenization, ção!"
    run = rag_alone("tokens", text, "--json")
    split = json.loads(run.out)["models"][0]
    assert (split["algorithm"], split["limit"]) == ("Unigram", 512)
    tokens = [token["token"] for token in split["tokens"]]
    assert tokens[4:8] == ["▁to", "ken", "ization", ","]
    assert "".join(tokens).replace("▁", " ").strip() == text
    assert split["count"] == len(split["tokens"]) + 2
    assert "huggingface:" in run.err


def test_doctor_says_that_nothing_leaves_the_machine(rag: Rag) -> None:
    run = rag("doctor", "--json")
    assert run.code == 0
    findings = {found["check"]: found for found in json.loads(run.out)}
    assert "stay on this machine" in findings["embedding"]["detail"]
    assert "stay on this machine" in findings["chat model"]["detail"]
    assert findings["index"]["state"] == "ok"


def test_doctor_names_what_has_to_be_mended(rag_alone: Rag) -> None:
    run = rag_alone("doctor", "--prompt", "nowhere", "--json")
    failed = [found["check"] for found in json.loads(run.out) if found["state"] == "fail"]
    assert (run.code, failed) == (3, ["prompt", "index"])


def test_asking_the_default_model_loads_no_heavy_package(sample_index: Path) -> None:
    run = in_a_process(
        "import sys",
        ["ask", QUESTION, "--index", str(sample_index)],
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'langchain_openai', "
        "'langchain_huggingface', 'rich'} & set(sys.modules)), file=sys.stderr)",
    )
    assert (run.code, run.err) == (0, "[]\n")


def test_help_loads_only_the_command_line() -> None:
    run = in_a_process(
        "import sys",
        ["--help"],
        "print(sorted({'langchain_core', 'numpy', 'faiss', 'pydantic_settings', 'rich'} "
        "& set(sys.modules)), file=sys.stderr)",
    )
    assert (run.code, run.err) == (0, "[]\n")
