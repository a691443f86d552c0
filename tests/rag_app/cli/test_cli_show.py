"""``rag show`` prints the place that a citation names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import QUESTION, Rag
from test_cli_terminal import on_a_terminal

PDF = "pt/geracao-aumentada-por-recuperacao.pdf"
POND = (
    "# Pond\n\nIt is new.\n\n## Depth\n\nOne.\nTwo.\nThree.\n"
    "Four. The pond is 3 m deep. It holds fish.\nFive.\nSix.\nSeven.\nEight.\n"
)
DEEP = "The pond is 3 m deep."


@pytest.fixture
def pond(rag_alone: Rag) -> str:
    """Index a document with an awkward name, and return the place of a sentence of it."""
    folder = Path("documents/my pond")
    folder.mkdir(parents=True)
    (folder / "a: b.md").write_text(POND)
    (folder / "empty.md").touch()
    rag_alone("index", "documents", "--index", "i")
    start = POND.index(DEEP)
    return f"my pond/a: b.md:{start}-{start + len(DEEP)}"


def test_every_citation_can_be_shown(rag: Rag) -> None:
    citations = json.loads(rag("ask", QUESTION, "--json").out)["citations"]
    assert citations
    for one in citations:
        place = f"{one['source']}:{one['start']}-{one['end']}"
        shown = json.loads(rag("show", place, "--json").out)
        assert [shown[key] for key in ("source", "page", "start", "end", "quote")] == [
            one[key] for key in ("source", "page", "start", "end", "quote")
        ]


def test_the_quote_is_marked_among_the_lines_around_it(rag_alone: Rag, pond: str) -> None:
    run = rag_alone("show", pond, "--index", "i")
    assert run.out == (
        "my pond/a: b.md, line 10, Pond > Depth\n\n"
        f"One.\nTwo.\nThree.\nFour. >>>{DEEP}<<< It holds fish.\nFive.\nSix.\nSeven.\n"
    )


def test_show_json_has_the_stable_shape(rag_alone: Rag, pond: str) -> None:
    start = POND.index(DEEP)
    assert json.loads(rag_alone("show", pond, "--index", "i", "--json").out) == {
        "source": "my pond/a: b.md",
        "page": None,
        "location": "line 10",
        "headings": ["Pond", "Depth"],
        "start": start,
        "end": start + len(DEEP),
        "before": "One.\nTwo.\nThree.\nFour. ",
        "quote": DEEP,
        "after": " It holds fish.\nFive.\nSix.\nSeven.\n",
    }


def test_little_is_shown_of_a_line_without_end(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/a.txt").write_text("word " * 2000)
    rag_alone("index", "documents", "--index", "i")
    shown = json.loads(rag_alone("show", "a.txt:5000-5004", "--index", "i", "--json").out)
    assert shown["quote"] == "word"
    assert 500 < len(shown["before"]) < 600
    assert {*shown["before"].split(), *shown["after"].split()} == {"word"}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("my pond/a: b.md", "is not SOURCE:START-END, as in rag show guide.md:120-180"),
        (
            "my pond/a b.md:1-5",
            "holds no document 'my pond/a b.md'; did you mean 'my pond/a: b.md'?",
        ),
        ("my pond/empty.md:1-5", "holds no text of 'my pond/empty.md': the file is empty"),
        ("other.pdf:1-5", "holds no document 'other.pdf'; 'rag search' names those it finds"),
        ("my pond/a: b.md:1-5000", f"no place 1-5000: its text has {len(POND)} characters"),
        ("my pond/a: b.md:9-9", "and a place ends after its start"),
    ],
)
def test_a_bad_place_is_wrong_use(rag_alone: Rag, pond: str, place: str, said: str) -> None:
    run = rag_alone("show", place, "--index", "i")
    assert (run.code, run.out) == (2, "")
    assert said in run.err


def test_on_a_terminal_the_place_links_to_its_page_and_the_quote_stands_out(
    rag: Rag, sample_index: Path
) -> None:
    found = json.loads(rag("show", f"{PDF}:1900-1940", "--json").out)
    shown = on_a_terminal(["show", f"{PDF}:1900-1940"], RAG_INDEX=str(sample_index))
    assert found["page"] > 1
    assert f"/{PDF}#page={found['page']}\x1b" in shown
    assert f"\x1b[7m{found['quote'].splitlines()[0]}" in shown
    assert "#page" not in rag("show", f"{PDF}:1900-1940").out


def test_documents_that_disagree_are_shown_with_the_dates_they_state(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    for day, days in (("2023-01-10", 30), ("2025-06-01", 45)):
        Path(f"documents/{day}.md").write_text(
            f"---\ndate: {day}\n---\nExpense reports of the sales team must be submitted within "
            f"{days} days after the trip.\n"
        )
    for number in range(3):
        Path(f"documents/{number}.txt").write_text(f"The canteen number {number} serves soup.")
    rag_alone("index", "documents", "--index", "i")

    run = rag_alone(
        "ask", "Within how many days must the sales team submit expense reports?", "--index", "i"
    )

    found = re.findall(
        r"^\[(\d)\] (.+)\.md, line 4 \(disagrees with \[(\d)\]; of (\S+)\) "
        r"\(rag show .+\.md:\d+-\d+\)$",
        run.out,
        re.M,
    )
    assert [(n, other) for n, _, other, _ in found] == [("1", "2"), ("2", "1")]
    assert {(name, day) for _, name, _, day in found} == {
        ("2023-01-10", "2023-01-10"),
        ("2025-06-01", "2025-06-01"),
    }
