"""A follow-up question becomes one that can be searched for."""

from __future__ import annotations

import pytest
from langchain_core.language_models import FakeListChatModel

from ingest import IndexSettings, embedding_model
from rag_app.conversation.follow_ups import Standalone, carry_on, standalone_question
from rag_app.prompts import load_prompt

EMBEDDING = embedding_model(IndexSettings())
EXCHANGES = [("Who published word2vec?", "Tomas Mikolov and colleagues. [1]")]


@pytest.mark.parametrize(
    ("question", "previous", "expected"),
    [
        pytest.param(
            "And how many layers does it have?",
            "How many tokens does all-MiniLM-L6-v2 read?",
            "And how many layers does it have? (all-MiniLM-L6-v2)",
            id="refers back",
        ),
        pytest.param(
            "E qual é a licença dele?",
            "Quantas camadas tem o all-MiniLM-L6-v2?",
            "E qual é a licença dele? (all-MiniLM-L6-v2)",
            id="in Portuguese",
        ),
        pytest.param(
            "Does it use tokens?",
            "What is a token?",
            "Does it use tokens?",
            id="the topic is there already",
        ),
        pytest.param(
            "What is cosine similarity?",
            "Who published word2vec?",
            "What is cosine similarity?",
            id="another topic",
        ),
        pytest.param(
            "And when must flights be booked?",
            "How much is paid for a hotel in Lisbon?",
            "And when must flights be booked?",
            id="a sentence of its own",
        ),
        pytest.param(
            "E quando os voos devem ser reservados?",
            "Quanto se paga por um hotel em Lisboa?",
            "E quando os voos devem ser reservados?",
            id="a sentence of its own in Portuguese",
        ),
        pytest.param(
            "And for large files?",
            "How long are uploads kept?",
            "And for large files? (long uploads kept)",
            id="half a sentence",
        ),
        pytest.param(
            "E para os arquivos grandes?",
            "Quanto tempo duram os envios?",
            "E para os arquivos grandes? (tempo duram envios)",
            id="half a sentence in Portuguese",
        ),
        pytest.param(
            "And is parking free?",
            "Is breakfast included at the Grand Hotel?",
            "And is parking free?",
            id="a question of its own",
        ),
        pytest.param(
            "And who can read other files?",
            "Who can read the minutes?",
            "And who can read other files? (minutes)",
            id="compares",
        ),
        pytest.param(
            "And the Gold tariff?",
            "How much does the Silver tariff cost?",
            "How much does the Gold tariff cost?",
            id="another name",
        ),
        pytest.param(
            "What about Harlow Dairies?",
            "What does Penrith Optics Ltd pay each month?",
            "What does Harlow Dairies pay each month?",
            id="another name of fewer words",
        ),
        pytest.param(
            "E quanto ao F-210?",
            "O que significa o código F-209?",
            "O que significa o código F-210?",
            id="another identifier",
        ),
        pytest.param(
            "And for flat 9?",
            "What is the deposit for flat 4?",
            "What is the deposit for flat 9?",
            id="another number",
        ),
        pytest.param(
            "E a enfermeira?",
            "Qual é o ramal do dentista?",
            "Qual é o ramal do enfermeira?",
            id="another word, in the place of the one most like it",
        ),
        pytest.param(
            "Por quê?",
            "Quem recusou a proposta?",
            "Por quê? (recusou proposta)",
            id="a question word alone",
        ),
        pytest.param(
            "Who runs it?",
            "Where is TULIP based?",
            "Who runs it? (TULIP)",
            id="its subject has a name",
        ),
        pytest.param(
            "And when are they booked by guests?",
            "Which rooms are free?",
            "And when are they booked by guests? (rooms free)",
            id="a sentence that refers back",
        ),
    ],
)
def test_a_question_that_leans_on_the_one_before_can_be_understood_alone(
    question: str, previous: str, expected: str
) -> None:
    assert carry_on(question, previous, EMBEDDING) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            "\n When was word2vec published? \nIn 2013.", "When was word2vec published?", id="line"
        ),
        pytest.param("\n", "When was it? (published word2vec)", id="nothing"),
        pytest.param("In 2013.", "When was it? (published word2vec)", id="an answer"),
        pytest.param("word " * 100, "When was it? (published word2vec)", id="no end"),
    ],
)
def test_a_model_rewrites_the_question_in_one_line_or_not_at_all(said: str, expected: str) -> None:
    llm = FakeListChatModel(responses=[said])
    assert standalone_question("When was it?", EXCHANGES, llm, EMBEDDING).text == expected


def test_what_a_model_wrote_is_counted_where_it_was_left_before_it_could_tell() -> None:
    llm = FakeListChatModel(responses=["When was word2vec published?\nIn 2013."])
    read = len(_text("When was it?", EXCHANGES)) // 3 + 1
    standalone = standalone_question("When was it?", EXCHANGES, llm, EMBEDDING)
    assert standalone.usage == {"input_tokens": read, "output_tokens": 10}


def test_a_model_that_abstains_has_not_rewritten_the_question() -> None:
    llm = FakeListChatModel(responses=["I don't know: the documents don't say."])
    standalone = standalone_question("Tell me when it was.", EXCHANGES, llm, EMBEDDING)
    assert standalone.text == "Tell me when it was. (word2vec)"


def test_the_first_question_stays_as_it_is() -> None:
    assert standalone_question("When was it?", [], None, EMBEDDING) == Standalone("When was it?")


class Narrow(FakeListChatModel):
    window: int = 900
    max_tokens: int = 500


def test_the_oldest_exchanges_give_way_to_the_window() -> None:
    exchanges = [(f"What is {n}?", "word " * 20) for n in range(10)]
    llm = Narrow(responses=["What is it?"])
    dropped = standalone_question("And then?", exchanges, llm, EMBEDDING).dropped_turns
    rendered = [_text("And then?", exchanges[n:]) for n in range(10)]
    assert len(rendered[dropped]) // 3 + 1 <= 400 < len(rendered[dropped - 1]) // 3 + 1


def test_a_window_without_room_leaves_the_topic_words() -> None:
    llm = Narrow(responses=["Never asked?"], window=510)
    standalone = standalone_question("When was it?", EXCHANGES, llm, EMBEDDING)
    assert standalone == Standalone("When was it? (published word2vec)", 1)


def _text(question: str, exchanges: list[tuple[str, str]]) -> str:
    history = "\n".join(f"Question: {asked}\nAnswer: {answer}" for asked, answer in exchanges)
    messages = load_prompt("condense").messages(history=history, question=question)
    return "\n".join(str(message.text) for message in messages)
