"""The styles in which models cite, each read as ``[n]``, without remains."""

from __future__ import annotations

import pytest

from ingest import Place
from rag_app.attribution.citations import cite
from rag_app.attribution.markers import take_markers
from rag_app.types import ScoredChunk

KILN = "The west kiln fires at 1,240 degrees. Rule 4 (2) bars night firing."
GLAZE = "The blue glaze needs 9 grams of cobalt per litre of water."
CHUNKS = [
    ScoredChunk(KILN, "manuals/kiln guide.pdf", 0, len(KILN), places=(Place(0, "page 3", 3),)),
    ScoredChunk(GLAZE, "glaze.md", 40, 40 + len(GLAZE)),
]
FIRES, NEEDS = KILN.partition(" Rule")[0], GLAZE
STYLES = [
    " [2]", "[2]", " [ 2 ]", " [2, 2]", " [[2]]", " [#2]", " [^2]", " \\[2\\]", " ［2］",
    "【2】", "【2†source】", "【2:0†glaze.md】", "【2†L1-L4】", " [2](glaze.md)", " [2](#ref-2)",
    " ([2])", " (see [2])", " (ver [2])", " (Source: [2])", " ([2], p. 4)", " **[2]**", " *[2]*",
    " `[2]`", " __[2]__", " <sup>2</sup>", " <sup>[2]</sup>", "²", " (2)", " [Source 2]",
    " [source: 2]", " [Document 2]", " [doc 2]", " [Doc. 2]", " [citation:2]", " [Ref 2]",
    " [Passage #2]", " [Fonte 2]", " [Trecho 2]", " (Source 2)", " (Documento 2)", " (Fonte: 2)",
    " [2, glaze.md]", " [2: glaze.md]", " [2, page 1]", " [glaze.md]", " (glaze.md)",
    " (Source: glaze.md, page 1)", " [Source: glaze.md]",
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_read_as_a_number_between_brackets(style: str):
    cited = cite(f"{NEEDS[:-1]}{style}. {FIRES}", CHUNKS)
    assert cited.text == f"{NEEDS} [1] {FIRES} [2]"
    assert [one.quote for one in cited.citations] == [NEEDS, FIRES]
    assert all(one.verified for one in cited.citations)
    assert cited.unsupported == ()


@pytest.mark.parametrize("style", STYLES)
def test_the_digit_of_a_marker_is_no_number_of_the_claim(style: str):
    clean, marks = take_markers(f"The glaze needs cobalt{style}.", CHUNKS)
    assert clean == "The glaze needs cobalt."
    assert [mark.indices for mark in marks] == [[1]]


@pytest.mark.parametrize(
    "style",
    ["[1, 2]", "[1,2]", "[1-2]", "[1–2]", "[1; 2]", "[1][2]", "[1] [2]", "[1], [2]", "[1] and [2]",
     "[1 and 2]", "[1 & 2]", "[1 e 2]", "[1 to 2]", "[Source 1, Source 2]", "(Sources 1 and 2)",
     "[kiln guide.pdf][glaze.md]", "¹,²", "(1, 2)", "[1, 2, and 2]"],
)  # fmt: skip
def test_several_sources_are_one_marker(style: str):
    clean, marks = take_markers(f"Both need heat {style}.", CHUNKS)
    assert clean == "Both need heat."
    assert [index for mark in marks for index in mark.indices] == [0, 1]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("According to [1], {}", "According to kiln guide.pdf, {}"),
        ("As described in [1], {}", "As described in kiln guide.pdf, {}"),
        ("Document [1] states that {}", "Document kiln guide.pdf states that {}"),
        ("[1] says that {}", "kiln guide.pdf says that {}"),
        ("In Document 1, {}", "In kiln guide.pdf, {}"),
        ("De acordo com [1], {}", "De acordo com kiln guide.pdf, {}"),
    ],
)
def test_a_marker_that_is_a_noun_becomes_the_name_of_the_file(said: str, shown: str):
    claim = "the west kiln fires at 1,240 degrees."
    cited = cite(said.format(claim), CHUNKS)
    assert cited.text == f"{shown.format(claim)} [1]"
    assert [(one.quote, one.verified) for one in cited.citations] == [(FIRES, True)]
    assert cited.unsupported == ()


@pytest.mark.parametrize(
    "text",
    [
        "The shelf is 12 m² wide.",
        "Rule 4 (2) bars night firing.",
        "See section 3 (1) of the law.",
        "There are two ways: (1) slow firing, (2) fast firing.",
        "The list[0] is empty.",
        "The years (1998) and [sic] stay.",
        "Write it to [a, b] first.",
    ],
)
def test_what_only_looks_like_a_marker_stays(text: str):
    assert take_markers(text, CHUNKS) == (text, [])


def test_a_bare_number_in_parentheses_is_no_marker_beside_others():
    clean, marks = take_markers("It fires at 1,240 (1) degrees [2].", CHUNKS)
    assert clean == "It fires at 1,240 (1) degrees."
    assert [mark.indices for mark in marks] == [[1]]


@pytest.mark.parametrize(
    "references",
    [
        "Sources:\n[1] manuals/kiln guide.pdf, page 3\n[2] glaze.md",
        "**References**\n1. kiln guide.pdf\n2. glaze.md",
        "## Fontes\n- glaze.md\n- kiln guide.pdf",
        "Sources: [1], [2]",
        "[^1]: kiln guide.pdf\n[^2]: glaze.md",
    ],
)
def test_a_list_of_sources_at_the_end_is_left_out(references: str):
    cited = cite(f"{FIRES} [1]\n\n{references}", CHUNKS)
    assert cited.text == f"{FIRES} [1]"
    assert [one.quote for one in cited.citations] == [FIRES]
    assert cited.unsupported == ()


def test_a_marker_of_the_document_itself_stays_in_its_quote():
    chunk = ScoredChunk("The ash is dry[^1] and grey.", "ash.md", 0, 28)
    cited = cite("The ash is dry[^1] and grey. [1]", [chunk])
    assert cited.text == "The ash is dry[^1] and grey. [1]"
    assert [(one.quote, one.verified) for one in cited.citations] == [(chunk.text, True)]
