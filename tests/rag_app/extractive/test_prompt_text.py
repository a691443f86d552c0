from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
from langchain_classic.chains.qa_with_sources import stuff_prompt as with_sources
from langchain_classic.chains.question_answering import (
    map_reduce_prompt,
    map_rerank_prompt,
    refine_prompts,
    stuff_prompt,
)
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
)
from langchain_core.prompts import BasePromptTemplate

from rag_app.extractive.prompt_text import read_prompt

CONTEXT = "The ferry leaves at seven.\n\nTickets are sold on board. Dogs travel free."
QUESTION = "When does the ferry leave?"
CONTEXTO = "A balsa parte às sete.\n\nOs bilhetes são vendidos a bordo."
PERGUNTA = "A que horas parte a balsa?"
FAQ = "Opening hours\n\nQuestion: May I bring a dog?\nAnswer: Yes, on a lead."


def human(text: str) -> list[BaseMessage]:
    return [HumanMessage(dedent(text).replace("{context}", CONTEXT).replace("{q}", QUESTION))]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(
            human(
                """\
                Use the following pieces of context to answer the question at the end. If you don't
                know the answer, just say that you don't know, don't try to make up an answer.

                {context}

                Question: {q}
                Helpful Answer:"""
            ),
            id="context first, a cue last",
        ),
        pytest.param(
            human(
                """\
                You are an assistant for question-answering tasks. Use the following pieces of \
retrieved context to answer the question. Keep the answer concise.
                Question: {q} 
                Context: {context} 
                Answer:"""
            ),
            id="question first",
        ),
        pytest.param(
            human("Answer based only on the following context:\n{context}\n\nQuestion: {q}\n"),
            id="announced on the line before",
        ),
        pytest.param(
            human("Answer from this context: {context}\n\nQuestion: {q}"), id="on the same line"
        ),
        pytest.param(
            human("<context>\n{context}\n</context>\n\n<question>{q}</question>"), id="tags"
        ),
        pytest.param(
            human("Answer the question inside the tags.\n<documents>{context}</documents>\n{q}"),
            id="one tag",
        ),
        pytest.param(human("**Context:**\n{context}\n\n**Question:** {q}"), id="bold labels"),
        pytest.param(human("## Documents\n\n{context}\n\n## Question\n\n{q}"), id="headings"),
        pytest.param(human("Context:\n'''\n{context}\n'''\nQuery: {q}\nA:"), id="quotation marks"),
        pytest.param(human("{context}\n\n{q}"), id="nothing but paragraphs"),
        pytest.param(human("{q}\n\n{context}"), id="nothing but paragraphs, the question first"),
        pytest.param(
            human(
                "Context: The zoo opens at nine.\nQuestion: When does the zoo open?\nAnswer: At "
                "nine.\n\nContext: {context}\nQuestion: {q}\nAnswer:"
            ),
            id="an example before, in one message",
        ),
        pytest.param(
            [
                HumanMessage("Context: The zoo opens at nine.\nQuestion: When does the zoo open?"),
                AIMessage("At nine."),
                HumanMessage(f"Context: {CONTEXT}\nQuestion: {QUESTION}"),
            ],
            id="an example before, as messages",
        ),
        pytest.param(
            [SystemMessage(f"Answer from the context.\n\n{CONTEXT}"), HumanMessage(QUESTION)],
            id="the context in the system message",
        ),
        pytest.param(
            [SystemMessage(CONTEXT), HumanMessage(QUESTION)], id="nothing but the context there"
        ),
        pytest.param(
            [
                SystemMessage(f"Use this context to answer.\n\n{CONTEXT}"),
                HumanMessage("Do dogs have to pay?"),
                AIMessage("Dogs travel free."),
                HumanMessage(QUESTION),
            ],
            id="a conversation",
        ),
        pytest.param(
            [
                SystemMessage("You are a clerk of the harbour.\nAnswer politely every question."),
                *human("Context:\n{context}\n\nQuestion: {q}"),
            ],
            id="instructions in the system message",
        ),
        pytest.param(
            human(
                "Context information is below.\n--------\n{context}\n--------\nGiven the "
                "context information, answer the query.\nQuery: {q}\nAnswer: "
            ),
            id="rulers",
        ),
        pytest.param(
            human(
                "Use the text to answer.\n\nChat history:\nHuman: Do dogs pay?\nAI: No.\n\n"
                "Context: {context}\n\nQuestion: {q}"
            ),
            id="what was said before",
        ),
        pytest.param(human("{context}\n\nAnswer the question: {q}"), id="within an instruction"),
        pytest.param(human("Based on this text, answer: {q}\n\n{context}"), id="the first line"),
        pytest.param(
            [
                SystemMessage("Speak like a sailor."),
                HumanMessage(f"{CONTEXT}\n\n{QUESTION}"),
            ],
            id="an unknown instruction",
        ),
        pytest.param(
            human("Context: {context}\n\nQuestion: {q}\n\nAnswer the question in one sentence."),
            id="an instruction last",
        ),
    ],
)
def test_question_and_context_are_found(messages: list[BaseMessage]) -> None:
    assert read_prompt(messages) == (QUESTION, CONTEXT)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(stuff_prompt.PROMPT, id="stuff"),
        pytest.param(stuff_prompt.CHAT_PROMPT, id="stuff, chat"),
        pytest.param(map_reduce_prompt.QUESTION_PROMPT, id="map"),
        pytest.param(map_reduce_prompt.CHAT_QUESTION_PROMPT, id="map, chat"),
        pytest.param(map_reduce_prompt.COMBINE_PROMPT, id="reduce"),
        pytest.param(map_reduce_prompt.CHAT_COMBINE_PROMPT, id="reduce, chat"),
        pytest.param(refine_prompts.DEFAULT_TEXT_QA_PROMPT, id="first"),
        pytest.param(refine_prompts.CHAT_QUESTION_PROMPT, id="first, chat"),
        pytest.param(refine_prompts.DEFAULT_REFINE_PROMPT, id="refine"),
        pytest.param(map_rerank_prompt.PROMPT, id="rerank"),
        pytest.param(with_sources.PROMPT, id="with sources"),
    ],
)
def test_the_prompts_of_classic_langchain_are_read(template: BasePromptTemplate[Any]) -> None:
    values = dict.fromkeys(("context", "context_str", "summaries"), CONTEXT)
    values |= {"question": QUESTION, "existing_answer": "At six."}
    known = {name: values[name] for name in template.input_variables}

    assert read_prompt(template.format_prompt(**known).to_messages()) == (QUESTION, CONTEXT)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Contexto:\n{c}\n\nPergunta: {q}\nResposta:", id="labels"),
        pytest.param(
            "Você é um assistente do porto. Use os trechos a seguir para responder à pergunta.\n\n"
            "{c}\n\nPergunta: {q}\nResposta útil:",
            id="an instruction",
        ),
        pytest.param("Responda com base nestes documentos:\n{c}\n\nPergunta: {q}", id="announced"),
        pytest.param("<contexto>{c}</contexto>\n<pergunta>{q}</pergunta>", id="tags"),
        pytest.param("Consulta: {q}\nTrechos recuperados: {c}", id="the question first"),
    ],
)
def test_labels_may_be_portuguese(text: str) -> None:
    prompt = text.replace("{c}", CONTEXTO).replace("{q}", PERGUNTA)

    assert read_prompt([HumanMessage(prompt)]) == (PERGUNTA, CONTEXTO)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Context: {c}\n\nQuestion: {q}\nAnswer:", id="the context first"),
        pytest.param("Question: {q}\nContext: {c}\nAnswer:", id="the question first"),
    ],
)
def test_questions_and_answers_of_a_document_are_context(text: str) -> None:
    prompt = text.replace("{c}", FAQ).replace("{q}", QUESTION)

    assert read_prompt([HumanMessage(prompt)]) == (QUESTION, FAQ)


def test_a_question_of_several_paragraphs_is_whole_beside_a_context() -> None:
    question = "I take a bicycle with me.\n\nWhen does the ferry leave"

    found = read_prompt([SystemMessage(f"Context: {CONTEXT}"), HumanMessage(question)])

    assert found == (question, CONTEXT)


@pytest.mark.parametrize(
    ("messages", "question"),
    [
        pytest.param([("human", "Hi")], "Hi", id="a greeting"),
        pytest.param([("human", QUESTION)], QUESTION, id="a question alone"),
        pytest.param(
            [("system", "You are a helpful assistant."), ("human", QUESTION)],
            QUESTION,
            id="a role and a question",
        ),
        pytest.param(
            [("human", f"Context:\n\nQuestion: {QUESTION}\nAnswer:")], QUESTION, id="empty context"
        ),
        pytest.param([("system", CONTEXT)], "", id="no human message"),
        pytest.param([("system", CONTEXT), ("human", "  ")], "", id="a blank question"),
    ],
)
def test_what_is_missing_is_empty(messages: list[tuple[str, str]], question: str) -> None:
    found = read_prompt(convert_to_messages(messages))

    assert found.question == question
    assert found.context == ("" if question else CONTEXT)
