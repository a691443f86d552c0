"""Questions as people write them, on the folders that they have."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from running import Rag

from rag_app import RagApp

DOCUMENTS = {
    "lease-quay-4.txt": (
        "Lease of 4 Quay Street: Marlowe Estates to Brindle Bakery\n\n"
        "Signed on 3 May 2024 by Ada Marlowe and Tom Brindle.\n\n"
        "1. Rent\n\nThe Tenant pays a rent of GBP 1,150 a month.\n\n"
        "2. Notice\n\nA party may end the lease with 60 days' notice.\n"
    ),
    "lease-quay-9.txt": (
        "Lease of 9 Quay Street: Marlowe Estates to Corbel Joiners\n\n"
        "Signed on 7 June 2024 by Ada Marlowe and Una Corbel.\n\n"
        "1. Rent\n\nThe Tenant pays a rent of GBP 2,300 a month.\n\n"
        "2. Notice\n\nA party may end the lease with 90 days' notice.\n"
    ),
    "kettles.md": (
        "# Kettles of the Orla series\n\n"
        "| Model | Capacity | Power | Warranty |\n|---|---|---|---|\n"
        "| KT-210 | 1.2 litres | 1500 W | 2 years |\n"
        "| KT-340 | 1.7 litres | 2200 W | 3 years |\n"
        "| KT-560 | 2.5 litres | 3000 W | 5 years |\n"
    ),
    "onboarding.md": (
        "# Onboarding\n\n## What to bring on the first day\n\nBring these papers:\n\n"
        "- your passport\n- the signed contract\n- a photo\n- your bank details\n\n"
        "## Parking\n\nA permit for the car park is issued by Wilma Osei at the reception.\n"
    ),
    "viagens.md": (
        "# Viagens a serviço\n\nA diária no exterior é de 75 euros. Passagens aéreas são compradas "
        "com 12 dias de antecedência.\n"
    ),
    "minutes.md": (
        "# Minutes of the garden club\n\nThe spring fair was moved from 4 April to 18 April. "
        "Rasmus Holt voted against the new shed. The treasurer reported 640 euros in the till.\n"
    ),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RagApp]:
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "documents").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "documents" / name).write_text(text, encoding="utf-8")
    app = RagApp(documents=folder / "documents", index=folder / "index")
    app.index()
    yield app
    app.store.close()


@pytest.mark.parametrize(
    ("question", "source", "quote"),
    [
        pytest.param(
            "What rent does Corbel Joiners pay?",
            "lease-quay-9.txt",
            "The Tenant pays a rent of GBP 2,300 a month.",
            id="the party stands only in the title",
        ),
        pytest.param(
            "Brindle Bakery notice period",
            "lease-quay-4.txt",
            "A party may end the lease with 60 days' notice.",
            id="a few words",
        ),
        pytest.param(
            "Who issues the parkng permitt?",
            "onboarding.md",
            "A permit for the car park is issued by Wilma Osei at the reception.",
            id="misspelt",
        ),
        pytest.param(
            "What is the warranty of the KT340?",
            "kettles.md",
            "| KT-340 | 1.7 litres | 2200 W | 3 years |",
            id="an identifier without its hyphen",
        ),
        pytest.param(
            "What does minutes.md say about the spring fair?",
            "minutes.md",
            "The spring fair was moved from 4 April to 18 April.",
            id="a file name",
        ),
        pytest.param(
            "How much is the daily allowance abroad?",
            "viagens.md",
            "A diária no exterior é de 75 euros.",
            id="asked in English, said in Portuguese",
        ),
        pytest.param(
            "Quem votou contra o galpão novo?",
            "minutes.md",
            "Rasmus Holt voted against the new shed.",
            id="asked in Portuguese, said in English",
        ),
    ],
)
def test_the_sentence_that_answers_is_quoted(
    app: RagApp, question: str, source: str, quote: str
) -> None:
    answer = app.ask(question)
    assert not answer.abstained
    assert (source, quote) in [(one.source, one.quote) for one in answer.citations]


def test_a_row_is_shown_with_the_names_of_its_columns_and_quoted_as_it_stands(app: RagApp) -> None:
    answer = app.ask("What is the capacity of the KT-560?")
    assert answer.text == (
        "Model: KT-560; Capacity: 2.5 litres; Power: 3000 W; Warranty: 5 years [1]"
    )
    (citation,) = answer.citations
    assert (citation.quote, citation.verified) == (
        "| KT-560 | 2.5 litres | 3000 W | 5 years |",
        True,
    )


def test_a_list_comes_whole(app: RagApp) -> None:
    answer = app.ask("What do I have to bring on the first day?")
    quotes = [citation.quote for citation in answer.citations]
    items = ["- your passport", "- the signed contract", "- a photo", "- your bank details"]
    assert [quote for quote in quotes if quote in items] == items


def test_each_named_thing_has_a_quote(app: RagApp) -> None:
    answer = app.ask("Compare the rent of Brindle Bakery and Corbel Joiners.")
    rents = {
        citation.source: citation.quote for citation in answer.citations if "rent" in citation.quote
    }
    assert rents == {
        "lease-quay-4.txt": "The Tenant pays a rent of GBP 1,150 a month.",
        "lease-quay-9.txt": "The Tenant pays a rent of GBP 2,300 a month.",
    }


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("What is the capacity of the KT-780?", id="an identifier that is nowhere"),
        pytest.param("What rent is paid for 17 Quay Street?", id="a number that is nowhere"),
        pytest.param("What is the rent of Halloran Florists?", id="a name that is nowhere"),
        pytest.param("What is the capital of Mongolia?", id="off topic"),
    ],
)
def test_another_thing_does_not_answer(app: RagApp, question: str) -> None:
    answer = app.ask(question)
    assert (answer.abstained, answer.citations) == (True, ())


@pytest.mark.parametrize(
    ("question", "then", "asked", "holds"),
    [
        pytest.param(
            "What is the warranty of the KT-210?",
            "And the KT-560?",
            "What is the warranty of the KT-560?",
            "Warranty: 5 years",
            id="another thing",
        ),
        pytest.param(
            "What rent does Brindle Bakery pay?",
            "And what is its notice period?",
            "And what is its notice period? (Brindle Bakery)",
            "60 days' notice",
            id="its subject",
        ),
    ],
)
def test_a_follow_up_is_understood_without_a_language_model(
    app: RagApp, question: str, then: str, asked: str, holds: str
) -> None:
    chat = app.chat()
    chat.ask(question)
    answer = chat.ask(then)
    assert chat.history[-1].condensed == asked
    assert holds in answer.text


UNSURE = "Who may sublet the bakery?"


def test_what_comes_near_is_shown_where_no_answer_is_sure(app: RagApp) -> None:
    answer = app.ask(UNSURE)
    assert (answer.text, answer.abstained, answer.citations) == (
        "I found no sure answer.",
        True,
        (),
    )
    assert [one.n for one in answer.nearest] == [1, 2, 3]
    assert answer.nearest[0].source == "lease-quay-4.txt"
    for one in answer.nearest:
        document = app.document(one.source)
        assert document is not None
        assert document.text[one.start : one.end] == one.quote
        assert not one.verified
    assert app.ask("Quanto custa a hospedagem?").text == ("Não encontrei uma resposta segura.")


def test_the_command_line_shows_what_comes_near(app: RagApp, rag_alone: Rag) -> None:
    index = ("--index", str(app.settings.index))
    shown = rag_alone("ask", UNSURE, *index)
    record = json.loads(rag_alone("ask", UNSURE, *index, "--json").out)
    quotes = [one["quote"] for one in record["nearest"]]
    assert (shown.code, record["abstained"]) == (0, True)
    assert shown.out.startswith("I found no sure answer.\n\nnearest:\n[1] lease-quay-4.txt")
    assert all(f"\n{quote}\n" in shown.out for quote in quotes)
