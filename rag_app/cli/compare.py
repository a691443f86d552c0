"""``rag compare``: the answers of several chat models to one question, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.ask import Question, read_question
from rag_app.cli.options import (
    AsJson,
    Filter,
    Index,
    Prompt,
    Quiet,
    TopK,
    parse_filter,
    settings_of_index,
)
from rag_app.cli.output import note, print_json, printable, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from rag_app.evaluation.model_comparison import Attempt
    from rag_app.types import Answer

ALL_FAILED = 4


def compare(
    question: Question,
    llm: Annotated[
        list[str] | None,
        typer.Option("--llm", metavar="PROVIDER:MODEL", help="A chat model; repeatable."),
    ] = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    filter: Filter = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question with several chat models, from the same retrieved chunks.

    Exits with 0 if at least one of them answers, and with 4 if none does.
    """
    asked, chosen = read_question(question), parse_filter(filter)
    from ingest import RagError, UsageError
    from rag_app.app import RagApp
    from rag_app.evaluation.model_comparison import compare as attempts_of

    if not llm:
        raise UsageError("name the chat models to compare: --llm extractive --llm openai:<model>")
    app = RagApp(settings_of_index(quiet, index=index, prompt=prompt, top_k=top_k))
    attempts = []
    for attempt in attempts_of(app, asked, llm, chosen):
        attempts.append(attempt)
        note(f"asked {attempt.llm} ({len(attempts)} of {len(llm)})", quiet)
    if as_json:
        print_json([attempt_record(attempt, asked) for attempt in attempts])
    elif console := terminal():
        _print_table(attempts, console)
    else:
        _print_sections(attempts)
    if all(isinstance(attempt.result, RagError) for attempt in attempts):
        raise typer.Exit(ALL_FAILED)


def attempt_record(attempt: Attempt, question: str) -> dict[str, object]:
    """Return the stable JSON shape of an answer or an error."""
    from rag_app.types import Answer

    if isinstance(attempt.result, Answer):
        return attempt.result.to_record()
    return {"question": question, "llm": attempt.llm, "error": str(attempt.result)}


def _print_table(attempts: Sequence[Attempt], console: Console) -> None:
    """Print one column per model and one row per fact."""
    from rich.table import Column, Table
    from rich.text import Text

    names = (Column(Text(printable(attempt.llm))) for attempt in attempts)
    table = Table("", *names, show_lines=True)
    columns = [_facts(attempt) for attempt in attempts]
    for name in dict.fromkeys(name for facts in columns for name in facts):
        table.add_row(name, *(Text(facts.get(name, "")) for facts in columns))
    console.print(table, soft_wrap=False)


def _print_sections(attempts: Sequence[Attempt]) -> None:
    for number, attempt in enumerate(attempts):
        print(f"\n# {attempt.llm}" if number else f"# {attempt.llm}")
        for name, fact in _facts(attempt).items():
            print(fact if name in ("answer", "citations") else f"{name}: {fact}")


def _facts(attempt: Attempt) -> dict[str, str]:
    """Return the facts to show of an attempt, by row name."""
    from rag_app.types import Answer

    if not isinstance(attempt.result, Answer):
        return {"answer": printable(f"error: {attempt.result}")}
    answer = attempt.result
    facts = {
        "answer": printable(answer.text),
        "citations": _citations(answer),
        "verified": f"{sum(c.verified for c in answer.citations)} of {len(answer.citations)}",
        "unsupported": str(len(answer.unsupported)),
        "seconds": f"{answer.timings['total']:.2f}",
    }
    usage = answer.usage
    if "output_tokens" in usage:
        facts["tokens"] = f"{usage['input_tokens']} read, {usage['output_tokens']} written"
    if "cost" in usage:
        facts["cost"] = f"{usage['cost']:.6f}"
    return facts


def _citations(answer: Answer) -> str:
    from rag_app.cli.answer_output import place

    return "\n".join(
        f'{place(citation, ())}\n"{printable(citation.quote)}"' for citation in answer.citations
    )
