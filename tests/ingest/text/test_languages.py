from __future__ import annotations

import pytest

from ingest.text.languages import STOP_WORDS, UNDETERMINED, detect_language, identify_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the yearly rent of the warehouse?", "en"),
        ("Do I need a visa?", "en"),
        ("Why?", "en"),
        ("Qual é o prazo de aviso?", "pt"),
        ("Por quê?", "pt"),
        ("E o Piso Ardósia?", "pt"),
        ("¿Cuál es el alquiler del almacén?", "es"),
        ("¿Se puede lavar el depósito?", "es"),
        ("Quel est le loyer de l'entrepôt ?", "fr"),
        ("Y a-t-il une aide pour le transport ?", "fr"),
        ("Qual è l'affitto del magazzino?", "it"),
        ("Perché lampeggia la luce rossa?", "it"),
        ("Wie hoch ist die Miete für das Lager?", "de"),
        ("Öffnungszeiten Kantine", "de"),
    ],
)
def test_a_question_is_identified_by_its_function_words(text: str, language: str) -> None:
    assert identify_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("qual e o prazo de ferias", id="without accents"),
        pytest.param("qanto é o adicional noturnu", id="misspelt"),
        pytest.param("QUAL O PRAZO DE ENTREGA?", id="capitals"),
        pytest.param("prazo do contrato", id="a word that English has too"),
        pytest.param("multa por atraso", id="a word that Spanish has too"),
        pytest.param("rescisão contratual", id="a letter that only Portuguese has"),
        pytest.param("quem assina o contrato 7310-22-B?", id="with a number"),
        pytest.param("O que é o Single Sign-On?", id="about an English product"),
        pytest.param("Como faço backup do Outlook for Windows?", id="with English words"),
    ],
)
def test_portuguese_is_found_in_hard_questions(text: str) -> None:
    assert identify_language(text) == "pt"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("What is PIX?", id="about a Portuguese name"),
        pytest.param("Where is São Paulo?", id="a Portuguese letter in a name"),
        pytest.param('What does "aviso prévio" mean?', id="a Portuguese phrase"),
        pytest.param("When is the Festa da Colheita?", id="a Portuguese word in a name"),
        pytest.param("What do the tenants do with the deposit?", id="do"),
        pytest.param("the e-mail address", id="a compound"),
    ],
)
def test_english_stays_english_around_portuguese_names(text: str) -> None:
    assert identify_language(text) == "en"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("???", id="signs"),
        pytest.param("E1043?", id="error code"),
        pytest.param("7310-22-B", id="contract number"),
        pytest.param("12.500,00", id="amount"),
        pytest.param("E-07 / E-08", id="two error codes"),
        pytest.param("https://www.example.com/de/no", id="address"),
        pytest.param("www.example.com", id="host name"),
        pytest.param("ata_do_conselho.docx", id="file name"),
        pytest.param("x = y + 1", id="code"),
        pytest.param("VPN?", id="acronym"),
        pytest.param("OS update", id="acronym like a Portuguese word"),
        pytest.param("Vantrey", id="name"),
        pytest.param("e-mail", id="compound that begins like a Portuguese word"),
        pytest.param("Hoeveel bedraagt de huur van het magazijn?", id="Dutch"),
        pytest.param("Gdzie jest formularz do rozliczenia?", id="Polish"),
        pytest.param("契約の期間はどのくらいですか", id="Japanese"),
    ],
)
def test_what_shows_no_language_is_undetermined(text: str) -> None:
    assert identify_language(text) == UNDETERMINED == "und"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Quanto custa o envio?", "pt"),
        ("How much is shipping?", "en"),
        ("Was kostet der Versand?", "en"),
        ("Combien coûte la livraison ?", "en"),
        ("¿Cuánto cuesta el envío?", "en"),
        ("Quanto costa la spedizione?", "en"),
        ("E1043?", "en"),
    ],
)
def test_the_app_speaks_portuguese_only_to_portuguese(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_the_beginning_of_a_text_decides() -> None:
    text = "O contrato é de um ano. " * 300 + "The lease is for one year. " * 3000
    assert identify_language(text) == "pt"


def test_there_are_stop_words_for_both_languages_of_the_app() -> None:
    assert STOP_WORDS.keys() == {"en", "pt"}
