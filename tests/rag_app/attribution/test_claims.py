"""What sentences of an answer claim, and what only leads to a claim, closes or declines."""

from __future__ import annotations

import pytest

from rag_app.attribution.citations import cite, cite_answer
from rag_app.attribution.claims import claimed
from rag_app.types import ScoredChunk

FERRY = (
    "The ferry to Vessel Island leaves at 07:40. A return ticket costs 18 euros. "
    "Bicycles travel free of charge."
)
BARCA = "A barca para a ilha sai às 07:40. O bilhete de ida e volta custa 18 euros."
CHUNKS = [
    ScoredChunk(FERRY, "ferry.md", 0, len(FERRY)),
    ScoredChunk(BARCA, "barca.md", 0, len(BARCA)),
]
TICKET, BILHETE = "A return ticket costs 18 euros.", "O bilhete de ida e volta custa 18 euros."


@pytest.mark.parametrize(
    "form",
    ["1. {}", "2) {}", "(3) {}", "a) {}", "iv. {}", "- {}", "* {}", "• {}", "Step 4: {}", "> {}",
     "**Answer:** {}", "Answer: {}", "**Final answer**: {}", "Based on the provided context, {}",
     "Based on the information given in the documents: {}", "According to the text, {}",
     "From the passages above, we can see that {}", "The document states that {}",
     "The provided sources say {}", "As mentioned in the document, {}", "In summary, {}",
     "1. **Answer:** According to the source, {}", "**{}**"],
)  # fmt: skip
def test_what_stands_before_an_english_claim_is_no_part_of_it(form: str):
    cited = cite(form.format(TICKET) + " [1]", CHUNKS)
    assert [(one.quote, one.verified) for one in cited.citations] == [(TICKET, True)]
    assert cited.unsupported == ()


@pytest.mark.parametrize(
    "form",
    ["1. {}", "Passo 2: {}", "**Resposta:** {}", "Com base no contexto fornecido, {}",
     "De acordo com o documento, {}", "Segundo os trechos acima, {}", "O texto afirma que {}",
     "Em resumo, {}", "Conforme as informações fornecidas, {}", "O documento informa: {}"],
)  # fmt: skip
def test_what_stands_before_a_portuguese_claim_is_no_part_of_it(form: str):
    cited = cite(form.format(BILHETE) + " [2]", CHUNKS)
    assert [(one.quote, one.verified) for one in cited.citations] == [(BILHETE, True)]
    assert cited.unsupported == ()


@pytest.mark.parametrize(
    "form", ["1. {}", "Based on the provided context, {}", "**Answer:** {}", "Step 2: {}"]
)
def test_a_false_claim_is_found_behind_any_beginning(form: str):
    cited = cite(form.format("A return ticket costs 28 euros."), CHUNKS)
    assert cited.unsupported == (form.format("A return ticket costs 28 euros."),)
    assert not any(one.verified for one in cited.citations)


@pytest.mark.parametrize(
    "talk",
    ["Sure!", "I hope this helps.", "Let me know if you have any other questions!",
     "Feel free to ask for more details.", "If you need further clarification, please ask.",
     "Is there anything else I can help you with?", "Here is what I found in the documents:",
     "### Answer", "**Summary**", "Final answer:", "Espero ter ajudado!", "Claro!",
     "Se precisar de mais informações, é só avisar.", "Fico à disposição para outras dúvidas.",
     "Aqui está a resposta:"],
)  # fmt: skip
def test_talk_about_the_answer_claims_nothing(talk: str):
    cited = cite(f"{talk}\n\n{TICKET} [1]\n\n{talk}", CHUNKS)
    assert cited.text == f"{talk}\n\n{TICKET} [1]\n\n{talk}"
    assert [one.quote for one in cited.citations] == [TICKET]
    assert cited.unsupported == ()


@pytest.mark.parametrize(
    "sentence",
    ["No further documents are needed.", "The information is free.", "Yes.", "18 euros",
     "If you need a ticket, ask the captain.", "Please bring the summary of your file.",
     "Step 3 is optional.", "Answer within ten days."],
)  # fmt: skip
def test_a_sentence_of_its_own_stays_a_claim(sentence: str):
    assert claimed(sentence) == sentence


def test_a_title_needs_something_below_it():
    assert cite("### 28 euros", CHUNKS).unsupported == ("### 28 euros",)


def test_a_line_that_leads_to_a_list_names_nothing_new():
    answer = "There are two facts about Vessel Island:\n- A return ticket costs 18 euros. [1]"
    assert cite(answer, CHUNKS).unsupported == ()
    other = answer.replace("Vessel Island", "Port Ames")
    assert cite(other, CHUNKS).unsupported == ("There are two facts about Port Ames:",)


def test_of_an_answer_that_only_talks_nothing_is_supported():
    assert cite("I hope this helps.", CHUNKS).unsupported == ("I hope this helps.",)


DECLINING = [
    "The context does not mention who steers the ferry.",
    "The provided documents do not contain any information about the captain.",
    "There is no information about the captain in the given text.",
    "Unfortunately, I cannot find the captain's name in the documents.",
    "I'm sorry, but I don't have enough information to answer that.",
    "The captain's name is not mentioned in the passages.",
    "None of the sources say who the captain is.",
    "The question cannot be answered from the documents provided.",
    "O contexto não menciona quem conduz a barca.",
    "Os documentos fornecidos não contêm informações sobre o capitão.",
    "Não há informações sobre o capitão nos trechos.",
    "Infelizmente, não encontrei essa informação.",
    "Não é possível responder com base no contexto.",
    "A informação não consta nos documentos.",
]


@pytest.mark.parametrize("text", DECLINING)
def test_declining_in_other_words_is_an_abstention(text: str):
    cited = cite_answer(text, CHUNKS, "en", "flag")
    assert cited.abstained
    assert (cited.text, cited.citations, cited.unsupported) == (text, (), ())


@pytest.mark.parametrize("text", DECLINING)
def test_declining_in_part_is_no_abstention(text: str):
    cited = cite_answer(f"{TICKET} [1] {text}", CHUNKS, "en", "abstain")
    assert not cited.abstained
    assert cited.text == f"{TICKET} [1] {text}"
    assert cited.unsupported == ()


def test_what_follows_a_refusal_is_checked():
    said = "The context does not mention the captain, but a return ticket costs 28 euros."
    assert cite(said, CHUNKS).unsupported == (said,)
    true = said.replace("28", "18")
    assert [one.quote for one in cite(true, CHUNKS).citations] == [TICKET]


@pytest.mark.parametrize(
    "sentence",
    ["Breakfast is not included.", "The policy does not cover flood damage.",
     "We do not have a branch in Lisbon.", "No refund is given after 30 days.",
     "The contract does not allow subletting.", "Files are not provided with the device.",
     "O servidor não tem direito a férias.", "O sistema não possui backup."],
)  # fmt: skip
def test_a_negative_fact_is_a_claim(sentence: str):
    cited = cite_answer(sentence, CHUNKS, "en", "flag")
    assert not cited.abstained
    assert cited.unsupported == (sentence,)


def test_a_documents_own_refusal_is_quoted():
    text = "This document does not state the price."
    cited = cite_answer(f"{text} [1]", [ScoredChunk(text, "a.md", 0, len(text))], "en", "flag")
    assert not cited.abstained
    assert [(one.quote, one.verified) for one in cited.citations] == [(text, True)]


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("Relevant source excerpts.", ""),
        ("Relevant source text excerpts.", "Relevant source text excerpts."),
        ("Relevant source text excerpts:", ""),
    ],
    ids=["three words", "four words", "four words and a colon"],
)
def test_only_a_short_line_without_a_colon_is_a_label(sentence: str, claims: str):
    assert claimed(sentence) == claims
