from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import UsageError
from rag_app.evaluation import limited, load_dataset
from rag_app.evaluation.datasets import Passage, read_passages

ROOT = Path(__file__).parents[3]
CORPUS = '{"_id": "p1", "title": "Tin", "text": "Tin is soft."}\n{"_id": "p2", "text": "Copper."}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\tp1\t2\nq1\tp2\t0\n"
QUERIES = '{"_id": "q1", "text": "Is tin soft?"}\n'


def beir(folder: Path, queries: str = QUERIES, qrels: str = QRELS, corpus: str = CORPUS) -> Path:
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(corpus)
    (folder / "queries.jsonl").write_text(queries)
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return folder


def with_documents(folder: Path, **query: object) -> Path:
    (folder / "documents").mkdir()
    (folder / "documents" / "a.txt").write_text("The bridge is copper.")
    (folder / "queries.jsonl").write_text(json.dumps({"text": "What?"} | query))
    return folder


def questions(folder: Path, text: str) -> Path:
    file = folder / "mine.jsonl"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_beir_folder_has_passages_and_grades(tmp_path: Path) -> None:
    dataset = load_dataset(beir(tmp_path))

    (question,) = dataset.questions
    assert (question.id, question.text, question.relevant) == ("q1", "Is tin soft?", {"p1": 2})
    assert question.answerable is None
    assert dataset.corpus is not None
    texts = {passage.id: passage.text for passage in read_passages(dataset.corpus)}
    assert texts == {"p1": "Tin\n\nTin is soft.", "p2": "Copper."}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param({"title": "Tin", "text": "Soft."}, "Tin\n\nSoft.", id="both"),
        pytest.param({"text": "Soft."}, "Soft.", id="no title"),
        pytest.param({"title": "", "text": "Soft."}, "Soft.", id="an empty title"),
        pytest.param({"title": None, "text": "Soft."}, "Soft.", id="a title of null"),
        pytest.param({"title": "Tin", "text": ""}, "Tin", id="an empty text"),
        pytest.param({"title": "Tin", "text": None}, "Tin", id="a text of null"),
        pytest.param({"title": "Tin", "text": " \n"}, "Tin", id="a blank text"),
        pytest.param({"title": " ", "text": ""}, "", id="nothing"),
        pytest.param({"text": ""}, "", id="nothing and no title"),
        pytest.param({"text": "Soft.", "metadata": {"url": "x"}}, "Soft.", id="metadata"),
    ],
)
def test_a_passage_is_what_there_is_of_title_and_text(
    tmp_path: Path, values: dict[str, object], text: str
) -> None:
    folder = beir(tmp_path, corpus=json.dumps({"_id": "p1"} | values))

    assert list(read_passages(folder / "corpus.jsonl")) == [Passage("p1", text)]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        pytest.param('{"_id": "p", "txt": "a"}', "'text' must be a text, not missing", id="none"),
        pytest.param('{"_id": "p", "text": 1}', "'text' must be a text, not 1", id="a number"),
        pytest.param('{"text": "a"}', "'_id' must be a text, not missing", id="no id"),
    ],
)
def test_a_passage_that_cannot_be_used_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    folder = beir(tmp_path, corpus=line)

    with pytest.raises(UsageError, match=re.escape(f"corpus.jsonl, line 1: {complaint}")):
        list(read_passages(folder / "corpus.jsonl"))


def test_metadata_of_beir_queries_is_read_over(tmp_path: Path) -> None:
    metadata = {"answer": "yes", "p1": [{"sentences": [0], "label": "SUPPORT"}]}
    query = {"_id": "q1", "text": "Is tin soft?", "metadata": metadata, "url": "x", "tags": ["a"]}

    (question,) = load_dataset(beir(tmp_path, json.dumps(query))).questions

    assert (question.text, question.answers, question.relevant) == ("Is tin soft?", (), {"p1": 2})


def test_a_question_that_is_not_judged_is_left_out_unless_it_has_no_answer(tmp_path: Path) -> None:
    other = '{"_id": "train", "text": "?"}\n{"_id": "none", "text": "?", "answerable": false}\n'

    dataset = load_dataset(beir(tmp_path, QUERIES + other))

    assert [(one.id, one.answerable) for one in dataset.questions] == [
        ("q1", None),
        ("none", False),
    ]


def test_a_question_with_a_relevant_passage_is_not_unanswerable(tmp_path: Path) -> None:
    claim = '{"_id": "q1", "text": "Tin is hard.", "answerable": false, "answers": []}\n'

    (question,) = load_dataset(beir(tmp_path, claim)).questions

    assert (question.answerable, question.relevant) == (None, {"p1": 2})


def test_a_folder_of_documents_names_sources_as_its_index_will(tmp_path: Path) -> None:
    folder = with_documents(
        tmp_path,
        source="documents/a.txt",
        evidence_span=[14, 20],
        evidence="copper",
        answers=["copper"],
    )

    (question,) = load_dataset(folder).questions

    assert question.relevant == {"a.txt": 1}
    assert (question.span, question.evidence) == ((14, 20), "copper")
    assert question.answerable is True


def test_a_file_of_questions_needs_nothing_but_questions(tmp_path: Path) -> None:
    text = '\ufeff{"question": "Why?"}\n\n{"question": "Quem é?", "answers": []}\n'

    dataset = load_dataset(questions(tmp_path, text))

    assert (dataset.name, dataset.corpus) == ("mine", None)
    assert [(one.id, one.text, one.answerable) for one in dataset.questions] == [
        ("1", "Why?", None),
        ("3", "Quem é?", False),
    ]


def test_a_limit_takes_questions_from_all_of_the_set(tmp_path: Path) -> None:
    dataset = load_dataset(questions(tmp_path, '{"question": "Why?"}\n' * 10))

    assert [one.id for one in limited(dataset, 4).questions] == ["1", "3", "6", "8"]
    assert limited(dataset, 99) == limited(dataset, None) == dataset


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param('{"question": "a"}\n{"q', ", line 2 is not JSON: ", id="broken json"),
        pytest.param("[1]", ", line 1: expected an object", id="not an object"),
        pytest.param('{"text": " "}', """, line 1: 'text' must be a text, not " \"""", id="blank"),
        pytest.param("{}", ", line 1: 'question' must be a text, not missing", id="no question"),
        pytest.param(
            '{"question": "a", "answers": "b"}',
            """, line 1: 'answers' must be a list of texts, not "b\"""",
            id="answers not in a list",
        ),
        pytest.param(
            '{"question": "a", "answerable": "no"}',
            ", line 1: 'answerable' must be true or false",
            id="answerable as text",
        ),
        pytest.param(
            '{"question": "a", "source": "a.md", "evidence_span": [5, 2]}',
            ", line 1: 'evidence_span' must be two offsets",
            id="offsets that run backwards",
        ),
        pytest.param(
            '{"question": "a", "evidence_span": [0, 2]}',
            ", line 1: 'evidence_span' needs one 'source'",
            id="offsets in nothing",
        ),
        pytest.param(
            '{"question": "a", "_id": "x"}\n{"question": "b", "_id": "x"}',
            ", line 2: the id 'x' was used before, in ",
            id="an id twice",
        ),
        pytest.param("\n", "the data set mine has no question", id="empty"),
        pytest.param(
            '{"question": "a", "answers": ["b"]}\n{"question": "a", "answer": "b"}',
            ", line 2: the key 'answer' is unknown: did you mean 'answers'? Known are _id, ",
            id="a singular",
        ),
        pytest.param(
            '{"question": "a", "anwsers": ["b"]}', "did you mean 'answers'?", id="letters swapped"
        ),
        pytest.param(
            '{"question": "a", "Sources": ["b"]}', "did you mean 'sources'?", id="a capital"
        ),
        pytest.param(
            '{"question": "a", "unanswerable": true}',
            "the key 'unanswerable' is unknown: did you mean 'answerable'?",
            id="the opposite",
        ),
        pytest.param('{"txt": "a"}', "did you mean 'text'?", id="a letter left out"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        load_dataset(questions(tmp_path, text))


def test_keys_that_data_sets_have_besides_are_read_over(tmp_path: Path) -> None:
    others = (
        "id ids question_id page title metadata label split rationales distractor question_type "
        "chunk_type cited_sources evidence_sentences"
    )
    row = dict.fromkeys(others.split(), "x") | {"answer": "b", "answers": ["b"], "question": "a"}

    (question,) = load_dataset(questions(tmp_path, json.dumps(row))).questions

    assert question.answers == ("b",)


def test_text_of_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(b'{"question": "a"}\n{"question": "avi\xe3o"}\n')

    with pytest.raises(UsageError, match=r"mine\.jsonl, line 2 is not UTF-8"):
        load_dataset(file)


def _qrels(row: str) -> Callable[[Path], Path]:
    return lambda folder: beir(folder, qrels=row)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        pytest.param(_qrels("q1\tp1\n"), "test.tsv, line 1: expected query-id", id="two columns"),
        pytest.param(_qrels("q1\tp1\tyes\n"), "test.tsv, line 1: expected", id="a grade in words"),
        pytest.param(_qrels("q9\tp1\t1\n"), "test.tsv judges 'q9', which is not", id="unknown id"),
        pytest.param(
            lambda folder: with_documents(folder, source="documents/b.txt"),
            "queries.jsonl, line 1: there is no file ",
            id="no such document",
        ),
        pytest.param(
            lambda folder: with_documents(folder, source="/etc/passwd"),
            "queries.jsonl, line 1: there is no file ",
            id="a document elsewhere",
        ),
        pytest.param(lambda folder: folder, "is not a data set: it has neither", id="no set"),
        pytest.param(lambda folder: folder / "x", "there is no data set ", id="no such folder"),
    ],
)
def test_a_folder_that_cannot_be_used_is_explained(
    tmp_path: Path, make: Callable[[Path], Path], complaint: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        load_dataset(make(tmp_path))


def test_the_questions_of_the_sample_documents_are_in_both_languages() -> None:
    asked = load_dataset(ROOT / "data" / "questions.jsonl").questions

    assert len(asked) == 10
    assert sum(one.answerable is False for one in asked) == 2
    for one in asked:
        for source in one.relevant:
            text = (ROOT / "data" / "documents" / source).read_text(encoding="utf-8")
            assert one.answers[0] in " ".join(text.split())
