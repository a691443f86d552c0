"""Templates, listed, shown, checked and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import QUESTION, Rag

from rag_app.prompts import answering_prompts, load_prompt, shipped_prompts

GOLDEN = Path(__file__).parents[1] / "prompts" / "golden"
WRONG = """\
name: mine
description: ''
variables: context
sistem: Be short.
user: |
  {context!r}
  {question
name: yours
examples:
  - context: c
    answer: 1
"""


def test_the_list_names_every_template(rag_alone: Rag) -> None:
    run = rag_alone("prompt", "list")
    assert [line.split()[0] for line in run.out.splitlines()] == list(shipped_prompts())
    assert run.err.startswith("condense, hyde, multi-query are for the app's own use")
    listed = json.loads(rag_alone("prompt", "list", "--json").out)
    assert listed[4] == {
        "name": "qa-few-shot",
        "description": load_prompt("qa-few-shot").description,
        "variables": ["context", "question"],
        "examples": 3,
    }


@pytest.mark.parametrize("name", shipped_prompts())
def test_a_shipped_template_renders_as_it_did(rag_alone: Rag, name: str) -> None:
    """After a change: ``rag prompt show NAME > tests/rag_app/prompts/golden/NAME.txt``."""
    shown = rag_alone("prompt", "show", name).out
    assert shown == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_a_golden_file_is_of_a_template() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == list(shipped_prompts())


def test_show_gives_the_messages_as_json(rag_alone: Rag) -> None:
    messages = json.loads(rag_alone("prompt", "show", "qa-few-shot", "--json").out)
    roles = ["system", *["user", "assistant"] * 3, "user"]
    assert [message["role"] for message in messages] == roles
    assert messages[2]["content"] == "The pond holds 4,000 litres. [2]"


def test_a_new_template_passes_the_check_and_answers(rag: Rag) -> None:
    assert rag("prompt", "new", "mine.yaml").code == 0
    assert rag("prompt", "check", "mine.yaml").err.startswith("mine.yaml is a valid template")
    assert rag("prompt", "check", "mine.yaml", "--json").out == "[]\n"
    assert load_prompt("mine.yaml").name == "mine"
    assert "Mikolov" in rag("ask", QUESTION, "--prompt", "mine.yaml").out


def test_a_new_template_replaces_nothing(rag_alone: Rag) -> None:
    Path("mine.yaml").write_text("mine")
    run = rag_alone("prompt", "new", "mine.yaml")
    assert (run.code, run.err) == (2, "error: mine.yaml already exists: choose another name\n")
    assert Path("mine.yaml").read_text() == "mine"
    assert "No such file" in rag_alone("prompt", "new", "nowhere/mine.yaml").err


def test_the_check_names_every_problem_with_its_line(rag_alone: Rag) -> None:
    Path("mine.yaml").write_text(WRONG)
    run = rag_alone("prompt", "check", "mine.yaml")
    assert run.code == 2
    assert run.out.splitlines() == [
        "mine.yaml:1: the file lacks the key 'system'",
        "mine.yaml:2: 'description' has to be a text that is not empty",
        "mine.yaml:3: 'variables' has to be a list",
        "mine.yaml:4: the file does not know the key 'sistem'",
        "mine.yaml:6: 'user': '{context!r}' is not a plain variable name; "
        "write a literal brace twice",
        "mine.yaml:7: 'user': expected '}' before end of string; write a literal brace twice",
        "mine.yaml:8: the file has the key 'name' twice",
        "mine.yaml:10: example 1 does not know the key 'context'",
        "mine.yaml:11: 'answer' of example 1 has to be a text that is not empty",
    ]


TEMPLATE = """\
name: mine
description: Mine.
variables: {variables}
system: |
  Cite each sentence as [1], or say that you don't know.
  {system}
user: {style}
  Read this.

  {user}
"""
READS = "{context} and {question}"


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        pytest.param(
            {"user": "{contxt} and {question}\n  {contxt}"},
            [
                "10: 'user' does not know the variable 'contxt'; did you mean 'context'?",
                "11: 'user' does not know the variable 'contxt'; did you mean 'context'?",
            ],
            id="misspelt in the text",
        ),
        pytest.param(
            {"variables": "\n  - context\n  - qestion"},
            ["5: 'variables' does not know the variable 'qestion'; did you mean 'question'?"],
            id="misspelt in the list",
        ),
        pytest.param(
            {"variables": "[contexts, question]", "user": "{contexts} and {question}"},
            [
                "3: 'variables' does not know the variable 'contexts'; did you mean 'context'?",
                "10: 'user' does not know the variable 'contexts'; did you mean 'context'?",
            ],
            id="misspelt in both",
        ),
        pytest.param(
            {"user": "{{literal}} {quesion} {context", "system": "}"},
            [
                "6: 'system': a single '}'; write a literal brace twice",
                "10: 'user': expected '}' before end of string; write a literal brace twice",
                "10: 'user' does not know the variable 'quesion'; did you mean 'question'?",
            ],
            id="misspelt beside stray braces",
        ),
        pytest.param(
            {"style": "'", "user": "{conext} {question} {page}'"},
            [
                "3: 'variables' lacks the variable 'page'",
                "3: answering gives context and question: use both, and no other",
                "10: 'user' does not know the variable 'conext'; did you mean 'context'?",
            ],
            id="unknown and misspelt in a quoted text",
        ),
        pytest.param(
            {"variables": "[question, tone]", "user": "{question} {tone}"},
            ["3: answering gives context and question: use both, and no other"],
            id="another variable",
        ),
        pytest.param(
            {
                "user": "{contxt} {question}\nexamples:\n"
                "- {context: c, question: q, answer: a}\n- {context: c, answer: ''}"
            },
            [
                "10: 'user' does not know the variable 'contxt'; did you mean 'context'?",
                "13: 'answer' of example 2 has to be a text that is not empty",
                "13: example 2 lacks the key 'question'",
            ],
            id="misspelt with examples",
        ),
        pytest.param(
            {"style": '"', "user": '\\x7bcontxt} {question}"'},
            ["7: 'user' does not know the variable 'contxt'; did you mean 'context'?"],
            id="a brace written as an escape",
        ),
    ],
)
def test_the_check_names_each_variable_at_its_line_and_what_it_is_meant_for(
    rag_alone: Rag, changed: dict[str, str], problems: list[str]
) -> None:
    parts = {"variables": "[context, question]", "system": ".", "style": "|", "user": READS}
    Path("mine.yaml").write_text(TEMPLATE.format(**parts | changed))
    run = rag_alone("prompt", "check", "mine.yaml")
    assert run.code == 2
    assert sorted(run.out.splitlines()) == sorted(f"mine.yaml:{problem}" for problem in problems)


CITE = "no rule asks for citations: end each sentence with the number of its source, as in [1]"
REFUSE = (
    "no rule says how to abstain when the context has no answer: "
    "I don't know: the documents don't say."
)


@pytest.mark.parametrize(
    ("system", "warnings"),
    [
        ("Be kind to the citizens of the city.", [CITE, REFUSE]),
        ("Seja breve e gentil.", [CITE, REFUSE]),
        ("Name your sources.", [REFUSE]),
        ("Escreva a fonte de cada frase.", [REFUSE]),
        ("If the answer is not in the context, refuse.", [CITE]),
        ("Se o contexto não disser, diga que não sabe.", [CITE]),
        ("Put [n] after each sentence; you cannot guess.", []),
        ("Cite cada texto. Se não houver resposta, diga isso.", []),
    ],
)
def test_a_template_without_the_rules_that_the_checks_rest_on_is_warned_of(
    rag_alone: Rag, system: str, warnings: list[str]
) -> None:
    Path("mine.yaml").write_text(
        "name: mine\ndescription: Mine.\nvariables: [context, question]\n"
        f"system: {json.dumps(system)}\nuser: '{READS}'\n"
    )
    run = rag_alone("prompt", "check", "mine.yaml")
    assert (run.code, run.out) == (0, "")
    told = [line for line in run.err.splitlines() if line.startswith("warning: ")]
    assert told == [f"warning: mine.yaml:4: {warning}" for warning in warnings]
    shown = json.loads(rag_alone("prompt", "check", "mine.yaml", "--json").out)
    assert shown == [{"line": 4, "warning": warning} for warning in warnings]


def test_a_template_that_no_model_reads_is_told(rag: Rag, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "note: extractive quotes the documents and ignores the prompt qa-strict\n"
    assert rag("ask", QUESTION, "--prompt", "qa-strict").err == told
    assert rag("ask", QUESTION, "--prompt", "qa-strict", "--quiet").err == ""
    assert rag("ask", QUESTION).err == ""
    assert rag("chat", "--prompt", "qa-strict", stdin=f"{QUESTION}\n{QUESTION}\n").err == told
    assert told in rag("chat", stdin="/prompt qa-strict\n").err
    assert told not in rag("prompt", "check", "qa-strict").err
    monkeypatch.setenv("RAG_LLM", "extractive")
    assert rag("prompt", "check", "qa-strict").err.endswith(told)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(
            b"a: 1\n--- b\n",
            "2: not valid YAML: expected a single document in the stream, "
            "but found another document",
            id="yaml",
        ),
        pytest.param(b"name: a\nuser: \xff\n", "2: not UTF-8 text; save it as UTF-8", id="bytes"),
        pytest.param(b"", "1: the file has to be keys with values", id="empty"),
    ],
)
def test_the_check_of_something_else_says_where_it_stops(
    rag_alone: Rag, content: bytes, problem: str
) -> None:
    Path("mine.yaml").write_bytes(content)
    assert rag_alone("prompt", "check", "mine.yaml").out == f"mine.yaml:{problem}\n"


def test_the_check_wants_a_template_that_answers(rag_alone: Rag) -> None:
    template = "name: a\ndescription: b\nsystem: c\nvariables: [question]\nuser: '{question}'\n"
    Path("mine.yaml").write_text(template)
    problem = "answering gives context and question: use both, and no other"
    assert rag_alone("prompt", "check", "mine.yaml").out == f"mine.yaml:4: {problem}\n"


@pytest.mark.parametrize("name", answering_prompts())
def test_a_template_that_answers_passes_the_check(rag_alone: Rag, name: str) -> None:
    source = Path(load_prompt.__code__.co_filename).parent / f"{name}.yaml"
    assert rag_alone("prompt", "check", str(source)).code == 0


@pytest.mark.parametrize("name", answering_prompts())
def test_a_shipped_template_is_checked_by_its_name(rag_alone: Rag, name: str) -> None:
    run = rag_alone("prompt", "check", name)
    said = f"{name} is a valid template: use it with --prompt {name}\n"
    assert (run.code, run.out, run.err) == (0, "", said)


def test_a_missing_file_is_named(rag_alone: Rag) -> None:
    run = rag_alone("prompt", "check", "none.yaml")
    assert (run.code, run.err) == (2, "error: prompt none.yaml: No such file or directory\n")
