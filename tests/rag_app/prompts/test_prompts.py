from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser

from ingest import UsageError
from rag_app.attribution.abstention import is_abstention
from rag_app.prompts import load_prompt, shipped_prompts
from rag_app.types import ABSTENTION

VALID = """
name: mine
description: Short answers.
variables: [question, context]
system: Be short.
user: "{context} ? {question}"
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def plain(messages: list[BaseMessage]) -> list[tuple[type, str]]:
    return [(type(message), str(message.content)) for message in messages]


def test_the_shipped_prompts_are_listed_and_load_under_their_names():
    assert shipped_prompts() == (
        "condense",
        "hyde",
        "multi-query",
        "qa",
        "qa-few-shot",
        "qa-pt",
        "qa-strict",
    )
    assert [load_prompt(name).name for name in shipped_prompts()] == list(shipped_prompts())


@pytest.mark.parametrize(
    ("name", "language"),
    [("qa", "en"), ("qa-strict", "en"), ("qa-few-shot", "en"), ("qa-pt", "pt")],
)
def test_an_answering_prompt_asks_for_citations_and_the_fixed_abstention(name: str, language: str):
    prompt = load_prompt(name)
    assert prompt.variables == ("context", "question")
    assert ABSTENTION[language] in prompt.system
    assert "[1]" in prompt.system
    assert "<<<" in prompt.system


def test_a_prompt_from_a_file_renders_exactly(tmp_path: Path):
    prompt = load_prompt(written(tmp_path, VALID))
    assert plain(prompt.messages(question="Why?", context="[1] a")) == [
        (SystemMessage, "Be short."),
        (HumanMessage, "[1] a ? Why?"),
    ]


def test_examples_come_as_pairs_before_the_question(tmp_path: Path):
    text = VALID + "examples: [{question: 'Q {x}', context: C, answer: 'A {y}'}]\n"
    prompt = load_prompt(written(tmp_path, text))
    assert plain(prompt.messages(question="Why?", context="K")) == [
        (SystemMessage, "Be short."),
        (HumanMessage, "C ? Q {x}"),
        (AIMessage, "A {y}"),
        (HumanMessage, "K ? Why?"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "{question}",
        "{context.__class__}",
        "{0}",
        "}{",
        "{{x}}",
        "{% include 'x' %} {{ 7*7 }}",
        "%s $x",
        "é\u202e\x00",
    ],
)
def test_values_are_inserted_verbatim(value: str):
    prompt = load_prompt("qa")
    human = prompt.messages(question=value, context=value)[-1]
    assert human.content == f"Context:\n{value}\n\nQuestion: {value}"


def test_a_prompt_composes_with_a_model_as_a_langchain_template():
    chain = (
        load_prompt("condense").as_chat_template()
        | FakeListChatModel(responses=["Where is the pond?"])
        | StrOutputParser()
    )
    asked = {"question": "Where is it?", "history": "We have a pond."}
    assert chain.invoke(asked) == "Where is the pond?"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"question": "q"}, "lacks the variable 'context'"),
        ({"question": "q", "context": "c", "x": "y"}, "does not know the variable 'x'"),
    ],
)
def test_missing_and_unknown_values_are_named(values: dict[str, str], message: str):
    with pytest.raises(UsageError, match=message):
        load_prompt("qa").messages(**values)


def test_an_unknown_prompt_lists_the_shipped_ones():
    with pytest.raises(
        UsageError, match=r"no prompt 'haiku'.*condense, hyde, multi-query, qa, qa-few-shot"
    ):
        load_prompt("haiku")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("system:", "sistem:", "lacks the key 'system'", id="missing key"),
        pytest.param("name:", "jinja: x\nname:", "does not know the key 'jinja'", id="unknown key"),
        pytest.param(
            "[question, context]", "[question]", "lacks the variable 'context'", id="less"
        ),
        pytest.param(
            "[question, context]", "[question, context, x]", "not know the variable 'x'", id="more"
        ),
        pytest.param("[question, context]", "question", "'variables' has to be a list", id="type"),
        pytest.param("{question}", "{question.__class__}", "not a plain variable", id="attribute"),
        pytest.param("{question}", "{question[0]}", "not a plain variable name", id="index"),
        pytest.param("{question}", "{question!r}", "not a plain variable name", id="conversion"),
        pytest.param("{question}", "{question:>9}", "not a plain variable name", id="format"),
        pytest.param("{question}", "{}", "not a plain variable name", id="position"),
        pytest.param("{question}", "{question", "write a literal brace twice", id="open brace"),
        pytest.param("Be short.", "[1]", "'system' has to be a text", id="not text"),
        pytest.param("Be short.", "''", "'system' has to be a text", id="empty"),
        pytest.param("Be short.", "'", "not valid YAML", id="yaml"),
        pytest.param(
            "name:", "examples: [{question: q}]\nname:", "example 1 lacks the key", id="example"
        ),
        pytest.param(
            "Be short.", "!!python/object/apply:os.getcwd []", "has to be a text", id="object"
        ),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, old: str, new: str, message: str):
    path = written(tmp_path, VALID.replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as error:
        load_prompt(path)
    assert path in str(error.value)


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"\xff\xfe\x00", b"1: 2\n"])
def test_a_file_that_is_no_template_is_a_usage_error(tmp_path: Path, content: bytes):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="odd"):
        load_prompt(str(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know: the documents don't say.", True),
        (" “I don’t know: the documents don’t say.” [1]\n", True),
        ("I don't know.", True),
        ("Não sei: os documentos não dizem.", True),
        ("NÃO SEI", True),
        ("I don't know: the documents don't say. But it is Paris.", False),
        ("Nobody knows.", False),
        ("", False),
    ],
)
def test_an_abstention_is_the_phrase_and_nothing_else(text: str, expected: bool):
    assert is_abstention(text) is expected


def test_a_file_has_a_portuguese_one_beside_it(tmp_path: Path):
    path = written(tmp_path, VALID)
    assert load_prompt(path).in_language("pt").system == "Be short."
    (tmp_path / "mine-pt.yaml").write_text(VALID.replace("Be short.", "Seja breve."))
    assert load_prompt(path).in_language("pt").system == "Seja breve."
    assert load_prompt(path).in_language("en").system == "Be short."
    portuguese = load_prompt(str(tmp_path / "mine-pt.yaml"))
    assert {portuguese.in_language(one).system for one in ("en", "pt")} == {"Seja breve."}


def test_a_pair_takes_the_same_variables(tmp_path: Path):
    path = written(tmp_path, VALID)
    other = VALID.replace("[question, context]", "[question]").replace("{context} ? ", "")
    (tmp_path / "mine-pt.yaml").write_text(other)
    with pytest.raises(
        UsageError, match=r"mine-pt.yaml has the variables question, .*has context, q"
    ):
        load_prompt(path)
