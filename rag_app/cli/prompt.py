"""``rag prompt``: list, show, check and write prompt templates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Quiet
from rag_app.cli.output import note, print_json, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rag_app.prompts import Prompt
    from rag_app.settings import Settings

app = typer.Typer(help="List, show, check and write prompt templates.")
Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name or file of a template.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="File of a template.")]


def list_(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """List the templates that come with the app."""
    from rag_app.prompts import load_prompt, shipped_prompts

    prompts = [load_prompt(name) for name in shipped_prompts()]
    if as_json:
        print_json([prompt_record(prompt) for prompt in prompts])
        return
    for prompt in prompts:
        print(f"{prompt.name:<12} {prompt.description}")
    others = ", ".join(prompt.name for prompt in prompts if not prompt.answers)
    note(f"{others} are for the app's own use; choose another one with --prompt NAME", quiet)


def show(name: Name, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show the messages that a model gets, with a sample question and context."""
    from langchain_core.messages import convert_to_openai_messages

    from rag_app.prompts import load_prompt

    prompt = load_prompt(name)
    messages = convert_to_openai_messages(prompt.messages(**_sample(prompt)))
    if as_json:
        print_json(messages)
    else:
        print("\n\n".join(f"--- {one['role']}\n{printable(one['content'])}" for one in messages))


def check(name: Name, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Report all errors of a template, and as warnings what weakens it; exit 2 on errors."""
    from rag_app.prompts import check_prompt, weaknesses

    problems = check_prompt(name)
    warnings = () if problems else weaknesses(name)
    if as_json:
        errors = [{"line": one.line, "problem": one.text} for one in problems]
        print_json(errors + [{"line": one.line, "warning": one.text} for one in warnings])
    else:
        for one in problems:
            print(printable(f"{name}:{one.line}: {one.text}"))
        for one in warnings:
            note(f"warning: {name}:{one.line}: {one.text}", quiet)
    if problems:
        raise typer.Exit(2)
    note(f"{name} is a valid template: use it with --prompt {name}", quiet)
    _note_extractive(name, quiet)


def note_unread(settings: Settings, quiet: bool) -> None:
    """Note that a template is set although the chat model uses none."""
    if settings.prompt and settings.is_extractive:
        note(
            f"note: extractive quotes the documents and ignores the prompt {settings.prompt}", quiet
        )


def _note_extractive(name: str, quiet: bool) -> None:
    """Note that the chat model uses no template, unless it is only the default model."""
    from rag_app.settings import load_settings

    settings = load_settings(prompt=name)
    if "llm" in settings.model_fields_set:
        note_unread(settings, quiet)


def new(file: File, quiet: Quiet = False) -> None:
    """Write a commented template that works as it is; never overwrites a file."""
    from rag_app.prompts import new_prompt

    new_prompt(file)
    note(f"wrote {file}: edit it, then run 'rag prompt check {file}'", quiet)


def prompt_record(prompt: Prompt) -> dict[str, object]:
    """Return the stable JSON shape of a template in the list."""
    return {
        "name": prompt.name,
        "description": prompt.description,
        "variables": list(prompt.variables),
        "examples": len(prompt.examples),
    }


def _sample(prompt: Prompt) -> Mapping[str, str]:
    """Return a sample value for each variable, in the template's language."""
    from ingest import Place, detect_language
    from rag_app.prompts.context import format_context
    from rag_app.types import ScoredChunk

    if detect_language(prompt.system) == "pt":
        question = "Quando abre o museu?"
        text, other = "O museu abre às nove.", "A entrada custa 12 euros."
        history = "Question: Há um museu?\nAnswer: Há um museu na praça. [1]"
    else:
        question = "When does the museum open?"
        text, other = "The museum opens at nine.", "A ticket costs 12 euros."
        history = "Question: Is there a museum?\nAnswer: There is a museum on the square. [1]"
    chunks = [
        ScoredChunk(
            text=text, source="museum.pdf", start=0, end=len(text), places=(Place(0, "page 2", 2),)
        ),
        ScoredChunk(text=other, source="prices.md", start=0, end=len(other)),
    ]
    samples = {"question": question, "context": format_context(chunks), "history": history}
    return {name: samples.get(name, f"<{name}>") for name in prompt.variables}
