"""What ``rag tune`` learns from, what it never sees, and when it says that it helped."""

from __future__ import annotations

import json
import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import DOCUMENTS, Rag

from ingest import (
    UsageError,
    embedding_model,
    model_folder,
    open_index,
    split_sentences,
    sync_folder,
)
from rag_app.settings import Settings
from rag_app.tuning import KnownQuestion, TuningProgress, TuningReport, tune
from rag_app.tuning.examples import match_questions, read_chunks
from rag_app.tuning.model_card import model_card, verdict
from rag_app.tuning.retrieval_metrics import (
    compare,
    is_clearly_better,
    ranking_scores,
    scores_of_ranking,
)
from rag_app.tuning.split import split_examples
from rag_app.tuning.types import Example, Gain, IndexedChunk

CHUNKS = [
    IndexedChunk("rules.md", text, f"Rules\n{text}")
    for text in (
        "The library opens at eight. Books are lent for 14 days, and can be renewed twice.",
        "Late returns cost 2 euros a day. The year 1998 saw the first fee.",
        "Founded in 1998, the library holds old maps.",
        "In 1998 the roof was new.",
    )
] + [IndexedChunk("plan.md", "The reading room of 1998 closes at ten.", "The reading room")]


def question(**known: object) -> KnownQuestion:
    return KnownQuestion(text="When?", place="q.jsonl, line 1", **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "chunks"),
    [
        pytest.param({"evidence": "Books are lent for 14 days"}, (0,), id="evidence"),
        pytest.param({"evidence": "books are LENT,\nfor 14 days"}, (0,), id="other-spacing"),
        pytest.param(
            {"evidence": "The year 1998 saw the first fee. Founded in 1998, the library holds old"},
            (1, 2),
            id="evidence-over-two-chunks",
        ),
        pytest.param(
            {"evidence": "The year 1998 saw the first fee. It was a low one."},
            (1,),
            id="evidence-of-which-the-chunk-has-a-sentence",
        ),
        pytest.param(
            {"evidence": "In 1998 the roof was new. And much more was said after that."},
            (3,),
            id="evidence-that-holds-a-whole-chunk",
        ),
        pytest.param({"answers": ("14 days",)}, (0,), id="answer"),
        pytest.param({"answers": ("1998",), "source": "plan.md"}, (4,), id="answer-in-a-source"),
        pytest.param({"answers": ("never", "ten")}, (4,), id="second-answer"),
        pytest.param(
            {"evidence": CHUNKS[0].text + " " + CHUNKS[1].text, "answers": ("2 euros",)},
            (1,),
            id="answer-decides-among-chunks-of-the-evidence",
        ),
        pytest.param(
            {"evidence": "Founded in 1998, the library holds old maps", "answers": ("atlases",)},
            (2,),
            id="evidence-is-believed-over-a-reworded-answer",
        ),
    ],
)
def test_a_question_is_matched_to_the_chunk_that_answers_it(
    known: dict[str, object], chunks: tuple[int, ...]
) -> None:
    matched = match_questions([question(**known)], CHUNKS)
    assert [example.chunks for example in matched.examples] == [chunks]
    assert not matched.unmatched


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        pytest.param({}, "it has neither evidence nor answers", id="nothing-known"),
        pytest.param(
            {"answers": ("ten",), "source": "no.md"},
            "the index has no document 'no.md'",
            id="unknown-document",
        ),
        pytest.param(
            {"answers": ("4 days",)}, "no chunk of the index holds its answer", id="part-of-a-word"
        ),
        pytest.param(
            {"evidence": "Cats sleep at noon.", "answers": ("1998",), "source": "rules.md"},
            "no chunk of rules.md holds its evidence",
            id="evidence-nowhere",
        ),
        pytest.param(
            {"answers": ("1998",)},
            "its answer is in 4 chunks of the index: give shorter evidence",
            id="answer-everywhere",
        ),
        pytest.param({"answers": ("?",)}, "no chunk of the index holds its answer", id="no-word"),
    ],
)
def test_a_question_without_a_chunk_is_named_with_the_reason(
    known: dict[str, object], reason: str
) -> None:
    (left_out,) = match_questions([question(**known)], CHUNKS).unmatched
    assert (left_out.place, left_out.question, left_out.reason) == (
        "q.jsonl, line 1",
        "When?",
        reason,
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(None, "can't be read: No such file", id="missing-file"),
        pytest.param("", "has no question", id="empty-file"),
        pytest.param('{"question": "a"}\n{"question": ', "line 2 is not JSON", id="broken-line"),
        pytest.param('\n\n{"answers": ["x"]}', "line 3: 'question' must be", id="no-question"),
        pytest.param('{"question": "a", "answers": "x"}', "line 1: 'answers' must", id="no-list"),
        pytest.param('{"question": "a", "source": 3}', "line 1: 'source' must", id="no-name"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_the_line(
    content: str | None, complaint: str, tmp_path: Path, rag: Rag
) -> None:
    file = tmp_path / "q.jsonl"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    run = rag("tune", str(file), "--output", str(tmp_path / "model"))
    assert run.code == 2
    assert complaint in run.err
    assert str(file) in run.err


@st.composite
def examples_of_documents(draw: st.DrawFn) -> tuple[list[Example], list[IndexedChunk]]:
    """Examples on chunks of which some are the same text, and questions that come again."""
    chance = draw(st.randoms(use_true_random=False))
    documents = draw(st.integers(1, 40))
    chunks = []
    for document in range(documents):
        for ordinal in range(chance.randint(2, 6)):
            text = "the same in many" if chance.random() < 0.01 else f"{document} {ordinal}"
            chunks.append(IndexedChunk(f"{document}.md", text, text))
    examples = []
    for number in range(draw(st.integers(30, 150))):
        first = chance.randrange(len(chunks))
        known = {first, min(first + 1, len(chunks) - 1)} if chance.random() < 0.1 else {first}
        asked = f"question {chance.randrange(5) if chance.random() < 0.05 else number}"
        examples.append(Example(asked, tuple(sorted(known))))
    return examples, chunks


@settings(max_examples=60, deadline=None)
@given(examples_of_documents(), st.integers(0, 5))
def test_nothing_that_judges_a_model_was_learnt_from(
    made: tuple[list[Example], list[IndexedChunk]], seed: int
) -> None:
    examples, chunks = made
    try:
        split = split_examples(examples, chunks, seed)
    except UsageError:
        return
    parts = (split.train, split.validation, split.held_out)
    assert all(parts)
    told = sorted((one.question, one.chunks) for part in parts for one in part)
    assert told == sorted((one.question, one.chunks) for one in examples)
    for what in (
        lambda one: {one.question},
        lambda one: {chunks[at].embedding_text for at in one.chunks},
        lambda one: {chunks[at].source for at in one.chunks} if split.by_document else set(),
        lambda one: {one.group},
    ):
        seen = [set().union(*map(what, part)) for part in parts]
        assert len(set().union(*seen)) == sum(map(len, seen))


def examples_on(documents: int, each: int) -> tuple[list[Example], list[IndexedChunk]]:
    chunks = [
        IndexedChunk(f"{document:02}.md", f"{document} {part}", f"{document} {part}")
        for document in range(documents)
        for part in range(each)
    ]
    return [Example(f"question {at}", (at,)) for at in range(len(chunks))], chunks


def test_a_split_is_by_document_where_there_are_enough() -> None:
    examples, chunks = examples_on(documents=18, each=4)
    split = split_examples(examples, chunks, seed=0)
    assert split.by_document
    assert [len(part) // 4 for part in (split.train, split.validation, split.held_out)] == [9, 3, 6]


def test_a_split_is_by_chunk_where_documents_are_few() -> None:
    examples, chunks = examples_on(documents=2, each=30)
    split = split_examples(examples, chunks, seed=0)
    assert not split.by_document
    assert (len(split.train), len(split.validation), len(split.held_out)) == (30, 10, 20)


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_the_file() -> None:
    examples, chunks = examples_on(documents=18, each=4)
    shuffled = random.Random(1).sample(examples, len(examples))
    assert split_examples(shuffled, chunks, 0) == split_examples(examples, chunks, 0)
    assert split_examples(examples, chunks, 1) != split_examples(examples, chunks, 0)


@pytest.mark.parametrize(
    ("documents", "each"), [pytest.param(29, 1, id="questions"), pytest.param(2, 5, id="chunks")]
)
def test_too_few_questions_are_refused(documents: int, each: int) -> None:
    examples, chunks = examples_on(documents, each)
    if each == 5:
        examples = [replace(one, question=f"{n}") for n, one in enumerate(examples * 4)]
    with pytest.raises(UsageError, match=rf"^{len(examples)} questions could be matched"):
        split_examples(examples, chunks, seed=0)


@pytest.mark.parametrize(
    ("ranking", "relevant", "scores"),
    [
        pytest.param([4, 2, 9], [4], (1, 1, 1), id="first"),
        pytest.param([2, 9, 4], [4], (1 / 2, 1 / 3, 0), id="third"),
        pytest.param([2, 9], [4], (0, 0, 0), id="missed"),
        pytest.param(list(range(20)), [10], (0, 0, 0), id="eleventh"),
        pytest.param([7, 1, 8], [7, 8], ((1 + 1 / 2) / (1 + 1 / np.log2(3)), 1, 1), id="two"),
        pytest.param([], [1], (0, 0, 0), id="empty"),
    ],
)
def test_a_ranking_is_scored_as_the_definitions_say(
    ranking: list[int], relevant: list[int], scores: tuple[float, float, float]
) -> None:
    assert scores_of_ranking(np.array(ranking, int), relevant) == pytest.approx(scores)


def test_scores_are_of_the_chunks_nearest_to_the_question() -> None:
    chunks = np.eye(4, dtype=np.float32)
    questions = np.array([[0.8, 0.6, 0, 0], [0, 0, 0, 1]], np.float32)
    scores = ranking_scores(questions, chunks, [Example("a", (1,)), Example("b", (3,))])
    assert scores.tolist() == [[pytest.approx(1 / np.log2(3)), 0.5, 0.0], [1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("differences", "recommended"),
    [
        pytest.param([0.2, 0.1, 0.3, 0.1, 0.2, 0.1] * 5, True, id="better-everywhere"),
        pytest.param([0.0] * 30, False, id="the-same"),
        pytest.param([-0.1, -0.2, -0.1] * 10, False, id="worse"),
        pytest.param([0.5, -0.4, 0.3, -0.35] * 8, False, id="better-by-chance"),
    ],
)
def test_only_a_clearly_better_model_is_recommended(
    differences: list[float], recommended: bool
) -> None:
    before = np.full((len(differences), 3), 0.5)
    after = before + np.array(differences)[:, None]
    gains = compare(before, after, range(len(differences)))
    assert [gain.metric for gain in gains] == ["ndcg@10", "mrr@10", "hit@1"]
    assert gains[0].difference == pytest.approx(np.mean(differences))
    assert gains[0].low <= gains[0].difference <= gains[0].high
    assert is_clearly_better(gains) is recommended


def test_many_questions_on_one_document_do_not_make_a_gain_certain() -> None:
    after = np.array([[0.9] * 3] * 40 + [[0.4] * 3] * 4)
    before = np.full_like(after, 0.5)
    alone = compare(before, after, range(44))
    together = compare(before, after, [0] * 40 + [1, 2, 3, 4])
    assert is_clearly_better(alone)
    assert not is_clearly_better(together)


def report(low: float, high: float, epochs: int = 2) -> TuningReport:
    middle = (low + high) / 2
    return TuningReport(
        folder=Path("models/ours"),
        base="bundled:all-MiniLM-L6-v2",
        variant="whole model",
        split_by="document",
        train=60,
        validation=20,
        held_out=40,
        unmatched=(),
        epochs=epochs,
        gains=(Gain("ndcg@10", 0.5, 0.5 + middle, low, high),),
        recommended=low > 0,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        pytest.param(report(0.01, 0.03), "recommended: ndcg@10 is higher, by +0.010", id="better"),
        pytest.param(report(-0.01, 0.03), "not recommended: the 95% interval", id="unclear"),
        pytest.param(report(-0.03, -0.01), "not recommended: ndcg@10 is lower", id="worse"),
        pytest.param(report(0, 0, 0), "not recommended: no epoch was better", id="unchanged"),
    ],
)
def test_the_verdict_says_whether_to_use_the_model(made: TuningReport, sentence: str) -> None:
    assert verdict(made).startswith(sentence)
    assert f"**{sentence[0].upper()}{sentence[1:]}" in model_card(made)


@pytest.mark.parametrize(
    "embedding", ["openai:text-embedding-3-small", "huggingface:./nowhere", "bundled:other"]
)
def test_a_model_without_weights_here_can_not_be_tuned(embedding: str, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    pytest.importorskip("langchain_huggingface")
    with pytest.raises(UsageError, match=embedding):
        tune(Settings(embedding=embedding), [], tmp_path / "model")


def test_a_folder_with_something_in_it_is_left_alone(small: Settings, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        tune(small, sample_questions(small), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The English sample documents in an index of the smaller model: enough to be tuned on, in an
    eighth of the time."""
    settings = Settings(
        documents=DOCUMENTS / "en",
        index=tmp_path_factory.mktemp("small") / "index",
        embedding="bundled:all-MiniLM-L6-v2",
    )
    sync_folder(settings)
    return settings


@pytest.fixture
def small_rag(rag: Rag, small: Settings, monkeypatch: pytest.MonkeyPatch) -> Rag:
    """Run a command on that index."""
    monkeypatch.setenv("RAG_INDEX", str(small.index))
    monkeypatch.setenv("RAG_DOCUMENTS", str(small.documents))
    monkeypatch.setenv("RAG_EMBEDDING", small.embedding)
    return rag


def sample_questions(settings: Settings) -> list[KnownQuestion]:
    """The middle of sentences of the sample documents, to be found in their chunks."""
    with closing(open_index(settings)) as opened:
        chunks = read_chunks(opened)
    return [
        KnownQuestion(
            text=" ".join(sentence.split()[2:9]),
            place=chunk.source,
            source=chunk.source,
            evidence=sentence,
        )
        for chunk in chunks
        for sentence in [
            chunk.text[start:end] for start, end in split_sentences(chunk.text) if end - start > 60
        ][:1]
    ]


def write_questions(file: Path, questions: list[KnownQuestion]) -> None:
    rows = (
        {"question": q.text, "source": q.source, "answers": q.answers, "evidence": q.evidence}
        for q in questions
    )
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_every_chunk_of_the_index_is_read_once(sample_index: Path) -> None:
    with closing(open_index(Settings(index=sample_index))) as index:
        chunks = read_chunks(index)
        assert len(chunks) == index.status().chunks
    assert len({(chunk.source, chunk.text) for chunk in chunks}) == len(chunks)
    assert {chunk.source for chunk in chunks} == {
        path.relative_to(DOCUMENTS).as_posix() for path in DOCUMENTS.rglob("*.*")
    }


def test_a_batch_has_no_question_or_chunk_twice_and_every_pair_is_dealt_once() -> None:
    pytest.importorskip("sentence_transformers")
    from rag_app.tuning.batches import Pair, deal

    chance = random.Random(0)
    pairs = [
        Pair(f"question {number // 2}", f"chunk {chance.randrange(60)}", f"{number % 7}.md")
        for number in range(300)
    ]
    batches = deal(pairs, 32, random.Random(1))
    assert sorted(at for batch in batches for at in batch) == list(range(300))
    assert max(map(len, batches)) <= 32
    for batch in batches:
        assert len({pairs[at].question for at in batch}) == len(batch)
        assert len({pairs[at].chunk for at in batch}) == len(batch)
    assert deal(pairs, 32, random.Random(1)) == batches
    assert deal(pairs, 32, random.Random(2)) != batches


@pytest.mark.slow
@pytest.mark.parametrize("adapter", [False, True], ids=["whole", "adapter"])
def test_a_tuned_folder_is_an_embedding_model_of_its_own(
    adapter: bool, small: Settings, sample_index: Path, tmp_path: Path
) -> None:
    pytest.importorskip("datasets")
    chosen = Settings(index=sample_index) if adapter else small
    questions = sample_questions(chosen)
    folder = tmp_path / "models" / "ours"
    seen: list[TuningProgress] = []
    made = tune(
        chosen,
        questions,
        folder,
        adapter=adapter,
        epochs=10 if adapter else 1,
        progress=seen.append,
    )
    assert made.train + made.validation + made.held_out + len(made.unmatched) == len(questions)
    assert made.recommended == (made.gains[0].low > 0)
    assert [path.name for path in folder.parent.iterdir()] == ["ours"]
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {
        ".json",
        ".md",
        ".safetensors",
    }
    assert verdict(made) in (folder / "README.md").read_text("utf-8").replace("**", "").lower()
    assert json.loads((folder / "tuning.json").read_text("utf-8"))["held_out"] == made.held_out
    assert all(one.done <= one.total for one in seen)
    assert {one.stage for one in seen} >= {"measuring before", "training"}

    base = embedding_model(Settings(embedding=f"huggingface:{model_folder(chosen)}"))
    tuned = embedding_model(Settings(embedding=f"huggingface:{folder}"))
    changed = {line.partition(":")[0] for line in tuned.identity.differences(base.identity)}
    assert changed == {"model", "weights"}
    texts = [one.text for one in questions[:8]]
    vectors = tuned.embed_documents(texts)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    moved = np.abs(vectors - base.embed_documents(texts)).max()
    assert (moved > 1e-4) == (made.epochs > 0)


@pytest.mark.slow
def test_the_saved_adapter_does_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    from rag_app.tuning.adapter import Adapter
    from rag_app.tuning.sentence_transformer import embed, load_network, prompts

    matrix = np.eye(384, dtype=np.float32)
    matrix[:100, 50:150] += np.random.default_rng(0).normal(0, 0.05, (100, 100))
    adapter, network = Adapter(matrix, 1), load_network(model_folder(Settings()))
    texts = ["Who wrote the rules?", "O prazo é de dez dias."]
    questions, chunks = (adapter.apply(embed(network, texts, one)) for one in prompts(network))
    adapter.put_on(network).save_pretrained(str(tmp_path / "model"), create_model_card=False)
    saved = embedding_model(Settings(embedding=f"huggingface:{tmp_path / 'model'}"))
    assert saved.embed_documents(texts) == pytest.approx(chunks, abs=1e-5)
    assert saved.embed_query(texts[1]) == pytest.approx(questions[1], abs=1e-5)


@pytest.mark.slow
def test_an_interrupted_tuning_leaves_nothing(small: Settings, tmp_path: Path) -> None:
    pytest.importorskip("datasets")

    def interrupt(progress: TuningProgress) -> None:
        if progress.stage == "training" and progress.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(small, sample_questions(small), tmp_path / "model", adapter=True, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_model_that_learnt_nonsense_is_saved_but_not_recommended(
    small_rag: Rag, small: Settings, tmp_path: Path
) -> None:
    pytest.importorskip("datasets")
    questions = sample_questions(small)
    others = random.Random(0).sample(questions, len(questions))
    wrong = [replace(one, text=other.text) for one, other in zip(questions, others, strict=True)]
    file, folder = tmp_path / "q.jsonl", tmp_path / "model"
    stray = KnownQuestion("What else?", "", source="gone.md", answers=("x",))
    write_questions(file, [*wrong, stray])
    run = small_rag("tune", str(file), "--output", str(folder), "--adapter")
    assert run.code == 1
    assert "\nnot recommended: " in run.out
    assert "next:" not in run.out
    place = f"{file}, line {len(wrong) + 1}"
    assert run.err == f"left out: {place}: the index has no document 'gone.md': What else?\n"
    assert "**Not recommended" in (folder / "README.md").read_text("utf-8")
    assert embedding_model(Settings(embedding=f"huggingface:{folder}")).identity.dimension == 384


def test_a_recommended_model_comes_with_the_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from rag_app.cli.tune import _print_report

    _print_report(replace(report(0.01, 0.03), folder=Path("our models/one")))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "ndcg@10      0.500   0.520   +0.020 (+0.010 to +0.030)"
    assert lines[-1] == "next: RAG_EMBEDDING='huggingface:our models/one' rag index --rebuild"


@pytest.mark.slow
def test_the_next_command_works(small_rag: Rag, small: Settings, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    file, folder = tmp_path / "q.jsonl", tmp_path / "our model"
    write_questions(file, sample_questions(small))
    run = small_rag("tune", str(file), "--output", str(folder), "--adapter", "--json")
    found = json.loads(run.out)
    assert found["folder"] == str(folder)
    assert run.code == (0 if found["recommended"] else 1)
    assert run.err == ""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAG_EMBEDDING", f"huggingface:{folder}")
        environment.setenv("RAG_INDEX", str(tmp_path / "index"))
        assert small_rag("index", "--rebuild", "--quiet").code == 0
        assert json.loads(small_rag("status", "--json").out)["embedding"] == f"huggingface:{folder}"
        assert small_rag("search", "word2vec", "--json").code == 0
