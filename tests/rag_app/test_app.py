from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chat_server import Messages, chat_server
from langchain_core.language_models import FakeListChatModel
from running import DOCUMENTS

import rag_app
from ingest import IndexMissingError, UsageError
from ingest.embeddings.bundled import BundledEmbeddings
from rag_app import Answer, RagApp, Retrieved, Settings, Token
from rag_app.extractive.answerability import calibration

SWAP_QUESTION = "Who published word2vec?"

ASKED = [
    pytest.param(
        "How many tokens does all-MiniLM-L6-v2 read at most?", "256", "en", id="english number"
    ),
    pytest.param("Who published word2vec?", "Mikolov", "en", id="english name"),
    pytest.param(
        "Quanto ocupa um milhão de vetores de 384 dimensões?", "1,536 GB", "pt", id="portuguese"
    ),
]


@pytest.fixture(scope="module")
def app(sample_index: Path) -> RagApp:
    return RagApp(Settings(documents=DOCUMENTS, index=sample_index))


def assert_exact(app: RagApp, answer: Answer) -> None:
    """Every quote is the document's text at its offsets, on its page."""
    for citation in answer.citations:
        document = app.document(citation.source)
        assert document is not None
        assert document.text[citation.start : citation.end] == citation.quote
        place = document.place_at(citation.start)
        assert citation.page == (place and place.page)
        above = " > ".join(heading.title for heading in document.headings_at(citation.start))
        assert citation.location == ((place and place.location) or above or None)


@pytest.mark.parametrize(("question", "expected", "language"), ASKED)
def test_the_answer_quotes_the_right_sentence(
    app: RagApp, question: str, expected: str, language: str
) -> None:
    answer = app.ask(question)

    assert not answer.abstained
    assert expected in answer.citations[0].quote
    assert answer.citations[0].source.startswith(f"{language}/")
    assert all(citation.verified for citation in answer.citations)
    assert answer.unsupported == ()
    assert_exact(app, answer)


@pytest.mark.parametrize("stream", [False, True], ids=["ask", "stream"])
def test_a_chosen_model_is_asked_however_unsure_the_search_is(
    sample_index: Path, stream: bool
) -> None:
    asked: list[str] = []

    def write(messages: Messages) -> list[str]:
        asked.append(messages[-1]["content"])
        return ["Word2vec was published in 2013 by Tomas Mikolov. [1]"]

    questions = ("Who won the 1998 football world cup?", SWAP_QUESTION)
    with chat_server(write) as url:
        app = RagApp(
            documents=DOCUMENTS, index=sample_index, llm="openai:m", llm_base_url=url, cache=False
        )
        hopeless, found = (
            list(app.stream(question))[-1] if stream else app.ask(question)
            for question in questions
        )

    assert isinstance(hopeless, Answer)
    assert isinstance(found, Answer)
    assert [question in text for question, text in zip(questions, asked, strict=True)] == [True] * 2
    assert (hopeless.abstained, found.abstained) == (False, False)
    assert hopeless.retrieval_confidence is not None
    assert found.retrieval_confidence is not None
    limits = calibration()
    assert hopeless.retrieval_confidence < limits.floor < limits.threshold
    assert found.retrieval_confidence > limits.threshold
    assert found.to_record()["retrieval_confidence"] == found.retrieval_confidence


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the embedding model is asked, by the name of its method."""
    counted: Counter[str] = Counter()

    def counting(name: str) -> None:
        original = getattr(BundledEmbeddings, name)

        def call(*arguments: Any) -> Any:
            counted[name] += 1
            return original(*arguments)

        monkeypatch.setattr(BundledEmbeddings, name, call)

    for name in ("embed_query", "embed_documents", "embed_stretches"):
        counting(name)
    return counted


@pytest.mark.parametrize(
    "settings",
    [{}, {"diversity": 0.5}, {"top_k": 20}, {"llm": "openai:m"}],
    ids=["extractive", "diversity", "many chunks", "a chat model"],
)
@pytest.mark.parametrize(
    "question", [SWAP_QUESTION, "O que é um token?", "Who won the 1998 football world cup?"]
)
def test_nothing_but_the_question_is_embedded_when_it_is_asked(
    app: RagApp, calls: Counter[str], question: str, settings: dict[str, Any]
) -> None:
    asking = app.using(cache=False, **settings)
    if "llm" in settings:
        asking.__dict__["llm"] = FakeListChatModel(responses=["It was published in 2013 [1]."])

    asking.ask(question)

    assert calls == {"embed_query": 1}


def test_nothing_but_the_question_is_embedded_for_a_search(
    app: RagApp, calls: Counter[str]
) -> None:
    app.search(SWAP_QUESTION)
    app.store.max_marginal_relevance_search(SWAP_QUESTION, k=3)
    app.store.similarity_search(SWAP_QUESTION, k=3)

    assert calls == {"embed_query": 3}


def test_widened_chunks_are_read_when_a_question_is_asked(app: RagApp, calls: Counter[str]) -> None:
    app.using(width="neighbours").ask(SWAP_QUESTION)

    assert calls["embed_stretches"] == 1


def test_every_sentence_of_every_document_can_be_cited_exactly(app: RagApp) -> None:
    cited = 0
    for path in sorted(DOCUMENTS.rglob("*.*")):
        document = app.document(path.relative_to(DOCUMENTS).as_posix())
        assert document is not None
        for heading in document.headings:
            answer = app.ask(f"What about {heading.title}?")
            assert_exact(app, answer)
            cited += len(answer.citations)

    assert cited > 20


@pytest.mark.parametrize(
    ("question", "phrase"),
    [
        pytest.param(
            "Who won the 1998 football world cup?",
            "I don't know: the documents don't say.",
            id="en",
        ),
        pytest.param("Qual é a capital da Mongólia?", "Não sei: os documentos não dizem.", id="pt"),
    ],
)
def test_it_says_when_the_documents_do_not_say(app: RagApp, question: str, phrase: str) -> None:
    answer = app.ask(question)

    assert (answer.abstained, answer.text, answer.citations) == (True, phrase, ())


def test_a_stream_gives_chunks_then_tokens_then_the_answer(app: RagApp) -> None:
    retrieved, *tokens, answer = app.stream("Who published word2vec?")

    assert isinstance(retrieved, Retrieved)
    assert len(retrieved.chunks) == 5
    assert tokens
    assert all(isinstance(token, Token) for token in tokens)
    assert isinstance(answer, Answer)
    assert replace(answer, timings={}) == replace(app.ask("Who published word2vec?"), timings={})


async def test_the_chain_is_a_runnable_in_every_way(app: RagApp) -> None:
    chain = app.chain()
    questions = ["Who published word2vec?", "O que é um token?"]

    one_by_one = [chain.invoke(question).text for question in questions]

    assert [answer.text for answer in chain.batch(questions)] == one_by_one
    assert (await chain.ainvoke(questions[0])).text == one_by_one[0]
    assert [event async for event in chain.astream(questions[1])][-1].text == one_by_one[1]


def test_the_chain_composes_with_other_runnables(app: RagApp) -> None:
    chain = app.chain() | (lambda answer: answer.citations[0].source)

    assert chain.invoke("Who published word2vec?") == "en/embeddings.md"


def test_a_folder_is_indexed_and_asked_in_three_lines(tmp_path: Path) -> None:
    documents = tmp_path / "notes"
    documents.mkdir()
    (documents / "garden.txt").write_text("The tomatoes were planted on 3 May 2026.")

    app = RagApp(documents=documents, index=tmp_path / "index")
    report = app.index()
    answer = app.ask("When were the tomatoes planted?")

    assert report.new == 1
    assert answer.text == "The tomatoes were planted on 3 May 2026. [1]"


def test_an_open_app_sees_what_is_indexed_later(tmp_path: Path) -> None:
    documents = tmp_path / "notes"
    documents.mkdir()
    (documents / "a.txt").write_text("The tomatoes were planted in May.")
    app = RagApp(documents=documents, index=tmp_path / "index")
    app.index()
    assert app.ask("Who painted the fence?").abstained

    (documents / "b.txt").write_text("Alice painted the fence green.")
    app.index()

    assert app.ask("Who painted the fence?").citations[0].source == "b.txt"


def test_no_index_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexMissingError, match="run 'rag index'"):
        RagApp(index=tmp_path / "none").ask("What?")


@pytest.mark.parametrize("ask", [RagApp.ask, RagApp.search])
def test_a_question_that_is_no_text_is_refused(app: RagApp, ask: Any) -> None:
    with pytest.raises(UsageError, match="character 5 of the question is no valid text"):
        ask(app, "What\udcff is it?")


@pytest.mark.parametrize("ask", [RagApp.ask, RagApp.search])
def test_an_empty_question_is_refused(app: RagApp, ask: object) -> None:
    with pytest.raises(UsageError, match="question is empty"):
        ask(app, "  \n")  # type: ignore[operator]


@pytest.mark.slow
def test_swapping_the_model_is_one_string(
    sample_index: Path, smollm2_gguf: Path, smollm2_folder: Path, openai_server: str
) -> None:
    models = {
        "extractive": None,
        f"huggingface:{smollm2_gguf}": None,
        f"huggingface:{smollm2_folder}": None,
        f"openai:{smollm2_folder}": openai_server,
    }
    for llm, base_url in models.items():
        app = RagApp(
            documents=DOCUMENTS,
            index=sample_index,
            llm=llm,
            llm_base_url=base_url,
            llm_max_tokens=40,
            llm_timeout=600,
            top_k=1,
        )
        answer = app.ask(SWAP_QUESTION)
        assert answer.llm == llm
        assert answer.text.strip()
        assert_exact(app, answer)
        if llm != "extractive":
            assert answer.usage["output_tokens"] in range(1, 41)


def test_the_public_names_are_all_there() -> None:
    assert rag_app.__all__ == sorted(rag_app.__all__)
    for name in rag_app.__all__:
        assert getattr(rag_app, name).__module__.startswith("rag_app")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        rag_app.nonsense  # noqa: B018


Ask = Callable[[RagApp, Any], object]
ASKING: dict[str, Ask] = {
    "ask": lambda app, question: app.ask(question),
    "search": lambda app, question: app.search(question),
    "stream": lambda app, question: list(app.stream(question)),
    "chat": lambda app, question: app.chat().ask(question),
    "chain": lambda app, question: app.chain().invoke(question),
    "retriever": lambda app, question: app.retriever().invoke(question),
}


@pytest.mark.parametrize("question", [None, 7, b"tea", ["tea"]], ids=repr)
@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_a_question_that_is_no_text_is_wrong_use(app: RagApp, ask: Ask, question: object) -> None:
    with pytest.raises(UsageError, match="the question has to be a text, not "):
        ask(app, question)


async def test_a_question_that_is_no_text_is_wrong_use_among_tasks(app: RagApp) -> None:
    with pytest.raises(UsageError, match="the question has to be a text, not 7"):
        await app.aask(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        pytest.param("pt", "a filter has to be a dictionary", id="text"),
        pytest.param(["language"], "a filter has to be a dictionary", id="list"),
        pytest.param({4: "x"}, "a filter has to be a dictionary", id="key"),
        pytest.param({"language": None}, "filter's 'language' has to be a text", id="value"),
        pytest.param({"langage": "pt"}, "did you mean 'language'", id="misspelt"),
        pytest.param({"colour": "red"}, "'source', 'type', 'language', 'since'", id="unknown"),
    ],
)
def test_a_filter_that_says_nothing_is_wrong_use(app: RagApp, filter: Any, said: str) -> None:
    for ask in (app.ask, app.search):
        with pytest.raises(UsageError, match=said):
            ask(SWAP_QUESTION, filter)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"top_k": 0}, "setting 'top_k' can't be 0", id="number"),
        pytest.param({"diversity": 3}, "setting 'diversity' can't be 3", id="share"),
        pytest.param({"llm": 5}, "setting 'llm' can't be 5", id="model"),
        pytest.param({"topk": 4}, "no setting 'topk'; did you mean 'top_k'", id="misspelt"),
    ],
)
def test_a_setting_that_cannot_be_is_named_wherever_it_is_given(
    app: RagApp, changes: dict[str, Any], said: str
) -> None:
    before = app.settings.model_copy()
    for make in (RagApp, app.using, partial(RagApp, app.settings)):
        with pytest.raises(UsageError, match=said):
            make(**changes)
    assert app.settings == before


def test_settings_are_taken_with_changes_on_top(app: RagApp) -> None:
    changed = RagApp(app.settings, top_k=3)
    assert (changed.settings.top_k, changed.settings.index) == (3, app.settings.index)
    assert app.settings.top_k == 5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        pytest.param(lambda app: RagApp("docs"), r"RagApp\(documents='docs'\)", id="a folder"),
        pytest.param(lambda app: RagApp({"top_k": 3}), "RagApp takes Settings", id="a dictionary"),
        pytest.param(lambda app: app.index(5), "setting 'documents' can't be 5", id="documents"),
        pytest.param(lambda app: app.chat(5), "a saved conversation is a file, not 5", id="resume"),
        pytest.param(lambda app: app.chat().use(None), "'llm' can't be None", id="no model"),
        pytest.param(lambda app: app.chat().use_prompt(5), "'prompt' can't be 5", id="prompt"),
        pytest.param(lambda app: rag_app.load_prompt(5), "a name or a path", id="load"),
        pytest.param(
            lambda app: rag_app.chat_model(None, app.settings),
            "None is not a chat",
            id="chat_model",
        ),
    ],
)
def test_what_is_no_folder_model_or_prompt_is_wrong_use(
    app: RagApp, call: Callable[[RagApp], object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        call(app)
