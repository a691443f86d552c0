"""The extractive model in other chains of LangChain than ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_classic.chains import RetrievalQA, create_retrieval_chain
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from running import DOCUMENTS

from ingest import Index, embedding_model, sync_folder
from rag_app import RagApp, ScoredChunk, load_prompt
from rag_app.attribution.abstention import is_abstention
from rag_app.prompts.context import format_context
from rag_app.settings import Settings

Ask = Callable[[str], str]

WORD2VEC = "Word2vec was published in 2013 by Tomas Mikolov and colleagues at Google."
LORA = (
    "A técnica LoRA (Low-Rank Adaptation) foi publicada em junho de 2021 por Edward Hu e colegas, "
    "da Microsoft."
)
BERT = (
    "BERT-base has 12 layers and 110 million parameters; BERT-large has 24 layers and 340 million."
)
FLAT = "Um índice Flat guarda 4 bytes por dimensão."
ANSWERS = {
    "Who published word2vec?": WORD2VEC,
    "How many parameters does BERT-large have?": BERT,
    "Quando foi publicado o LoRA?": LORA,
    "Quantos bytes um índice Flat guarda por dimensão?": FLAT,
}
UNANSWERABLE = {
    "Who won the 1998 football world cup?": "I don't know: the documents don't say.",
    "Qual universidade brasileira oferece o melhor curso de medicina?": (
        "Não sei: os documentos não dizem."
    ),
}


@pytest.fixture(scope="module")
def app(sample_index: Path) -> RagApp:
    return RagApp(Settings(documents=DOCUMENTS, index=sample_index))


def join(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


def number(documents: list[Document]) -> str:
    return "\n".join(f"[{n}] {one.page_content}" for n, one in enumerate(documents, 1))


def ours(documents: list[Document]) -> str:
    return format_context([ScoredChunk.from_document(document) for document in documents])


def lcel(app: RagApp, write: Callable[[list[Document]], Any], *messages: tuple[str, str]) -> Ask:
    context: Runnable[str, Any] = app.retriever() | RunnableLambda(write)
    chain: Runnable[str, str] = (
        {"context": context, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_messages(messages)
        | app.llm
        | StrOutputParser()
    )
    return chain.invoke


def classic_qa(app: RagApp) -> Ask:
    chain = RetrievalQA.from_chain_type(app.llm, retriever=app.retriever())
    return lambda question: str(chain.invoke(question)["result"])


def classic_portuguese(app: RagApp) -> Ask:
    prompt = PromptTemplate.from_template(
        "Use os trechos a seguir para responder à pergunta. Se não souber, diga que não sabe.\n\n"
        "{context}\n\nPergunta: {question}\nResposta:"
    )
    chain = RetrievalQA.from_chain_type(
        app.llm, retriever=app.retriever(), chain_type_kwargs={"prompt": prompt}
    )
    return lambda question: str(chain.invoke(question)["result"])


def retrieval_chain(app: RagApp) -> Ask:
    prompt = ChatPromptTemplate.from_messages(
        [
            (
                "system",
                "You are an assistant for question-answering tasks. Use the following pieces of "
                "retrieved context to answer the question. If you don't know the answer, say that "
                "you don't know.\n\n{context}",
            ),
            ("human", "{input}"),
        ]
    )
    stuff = create_stuff_documents_chain(app.llm, prompt)
    chain = create_retrieval_chain(app.retriever(), stuff)
    return lambda question: str(chain.invoke({"input": question})["answer"])


BASED_ON = "Answer based only on the following context:\n{context}\n\nQuestion: {question}\n"
PLAIN_CHAINS: dict[str, Callable[[RagApp], Ask]] = {
    "RetrievalQA": classic_qa,
    "RetrievalQA in Portuguese": classic_portuguese,
    "create_retrieval_chain": retrieval_chain,
    "LCEL": lambda app: lcel(app, join, ("human", BASED_ON)),
    "LCEL without a format": lambda app: lcel(app, list, ("human", BASED_ON)),
    "LCEL with tags": lambda app: lcel(
        app,
        join,
        ("system", "Answer from the context."),
        ("human", "<context>\n{context}\n</context>\n\n{question}"),
    ),
}
NUMBERED_CHAINS: dict[str, Callable[[RagApp], Ask]] = {
    "numbers": lambda app: lcel(app, number, ("human", BASED_ON)),
    "our blocks": lambda app: lcel(app, ours, ("system", "{context}"), ("human", "{question}")),
}


@pytest.mark.parametrize("chain", [pytest.param(c, id=name) for name, c in PLAIN_CHAINS.items()])
def test_any_chain_answers_with_the_sentences_that_ask_quotes(
    chain: Callable[[RagApp], Ask], app: RagApp
) -> None:
    ask = chain(app)
    for question, sentence in ANSWERS.items():
        assert ask(question) == sentence
        assert [one.quote for one in app.ask(question).citations] == [sentence]


@pytest.mark.parametrize("chain", [pytest.param(c, id=name) for name, c in PLAIN_CHAINS.items()])
def test_any_chain_declines_what_the_documents_do_not_say(
    chain: Callable[[RagApp], Ask], app: RagApp
) -> None:
    ask = chain(app)
    assert {question: ask(question) for question in UNANSWERABLE} == UNANSWERABLE


@pytest.mark.parametrize("chain", [pytest.param(c, id=name) for name, c in NUMBERED_CHAINS.items()])
def test_the_numbers_of_blocks_are_cited(chain: Callable[[RagApp], Ask], app: RagApp) -> None:
    ask = chain(app)
    for question, sentence in ANSWERS.items():
        found = [ScoredChunk.from_document(one) for one in app.retriever().invoke(question)]
        n = 1 + next(at for at, one in enumerate(found) if sentence in " ".join(one.text.split()))
        assert ask(question) == f"{sentence} [{n}]"


def test_our_prompt_without_our_chain_answers_as_ask_does(app: RagApp) -> None:
    question = "Who proposed the HNSW index?"
    chunks = app.search(question)
    messages = load_prompt("qa").messages(question=question, context=format_context(chunks))

    answer = str(app.llm.invoke(messages).text)

    quotes = [one.quote for one in app.ask(question).citations]
    assert len(quotes) > 1
    assert re.sub(r" \[\d+\]", "", answer) == " ".join(quotes)


def test_a_stream_gives_the_sentences_one_by_one(app: RagApp) -> None:
    prompt = f"Context:\n{WORD2VEC} It learns vectors.\n\nQuestion: Who published word2vec?"
    pieces = [str(piece.text) for piece in app.llm.stream(prompt)]
    assert "".join(pieces) == WORD2VEC


class Shelf(BaseRetriever):
    """Texts of no index."""

    texts: list[str]

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(text) for text in self.texts]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(
            "Who built the windmill?", "The windmill was built by Ada Krol in 1871.", id="English"
        ),
        pytest.param(
            "Quem pintou o portão?", "O portão foi pintado de verde por Rui Matos.", id="Portuguese"
        ),
        pytest.param(
            "What is the salary of the plumber?",
            "I don't know: the documents don't say.",
            id="unanswerable",
        ),
    ],
)
def test_texts_of_another_retriever_are_read_too(app: RagApp, question: str, answer: str) -> None:
    shelf = Shelf(
        texts=[
            "The mill\n\nThe windmill was built by Ada Krol in 1871. It grinds rye.",
            "O portão foi pintado de verde por Rui Matos. A cerca é de madeira.",
        ]
    )
    chain = RetrievalQA.from_chain_type(app.llm, retriever=shelf)

    assert chain.invoke(question)["result"] == answer


def test_without_any_index_the_prompt_is_read_alone(tmp_path: Path) -> None:
    app = RagApp(Settings(documents=DOCUMENTS, index=tmp_path / "none"))

    answer = app.llm.invoke(f"Context: {BERT} {FLAT}\n\nQuestion: How many layers has BERT-base?")

    assert answer.text == BERT
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        pytest.param(
            "Hi", r"The extractive model needs a context to quote from: .*'Context:'\.", id="en"
        ),
        pytest.param(
            "Quem publicou o word2vec e quando foi isso?",
            r"O modelo extrativo precisa de um contexto para citar: .*'Contexto:'\.",
            id="pt",
        ),
        pytest.param(
            [HumanMessage("")], r"The extractive model needs a question: .* message\.", id="nothing"
        ),
    ],
)
def test_what_a_prompt_lacks_is_said_in_a_sentence(app: RagApp, prompt: Any, says: str) -> None:
    said = str(app.llm.invoke(prompt).text)

    assert re.fullmatch(says, said)
    assert not is_abstention(said)


def test_the_index_may_hold_added_texts(tmp_path: Path) -> None:
    settings = Settings(documents=DOCUMENTS / "pt", index=tmp_path / "index")
    sync_folder(settings)
    index = Index.open(settings.index, embedding_model(settings))
    index.add_texts(["The tram to Foz runs every 12 minutes."], ids=["tram"])
    app = RagApp(settings)

    ask = lcel(app, join, ("human", BASED_ON))

    assert ask("How often does the tram to Foz run?") == "The tram to Foz runs every 12 minutes."
    index.close()
