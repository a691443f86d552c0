"""``rag prompt``: the templates there are, what a model gets from one, what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.options import AsJson, Debug, Quiet
from rag_app.cli.output import note, print_json, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rag_app.prompts import Prompt
    from rag_app.settings import Settings

app = typer.Typer(help="List, show, check and write prompt templates.")
Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name or file of a template.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="File of a template.")]

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


@app.command("list")
def list_(as_json: AsJson = False, debug: Debug = False, quiet: Quiet = False) -> None:
    """Name the templates that come with the app."""
    from rag_app.prompts import load_prompt, shipped_prompts

    prompts = [load_prompt(name) for name in shipped_prompts()]
    if as_json:
        print_json([prompt_record(prompt) for prompt in prompts])
        return
    for prompt in prompts:
        print(f"{prompt.name:<12} {prompt.description}")
    others = ", ".join(prompt.name for prompt in prompts if not prompt.answers)
    note(f"{others} are used by the app itself; the others answer: --prompt NAME", quiet)


@app.command()
def show(
    name: Name,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Show the messages that a model gets, with a sample question and context."""
    from rag_app.prompts import load_prompt

    prompt = load_prompt(name)
    values = _sample(prompt)
    messages = [(_ROLES[message.type], str(message.text)) for message in prompt.messages(**values)]
    if as_json:
        print_json([{"role": role, "content": text} for role, text in messages])
    else:
        print("\n\n".join(f"--- {role}\n{printable(text)}" for role, text in messages))


@app.command()
def check(name: Name, as_json: AsJson = False, debug: Debug = False, quiet: Quiet = False) -> None:
    """Say everything that keeps it from being a template that answers; exit 2 if anything.

    What only weakens it is a warning.
    """
    from rag_app.prompts import check_prompt, weaknesses

    problems = check_prompt(name)
    warnings = () if problems else weaknesses(name)
    if as_json:
        told = [{"line": one.line, "problem": one.text} for one in problems]
        print_json(told + [{"line": one.line, "warning": one.text} for one in warnings])
    else:
        for one in problems:
            print(printable(f"{name}:{one.line}: {one.text}"))
        for one in warnings:
            note(f"warning: {name}:{one.line}: {one.text}", quiet)
    if problems:
        raise typer.Exit(2)
    note(f"{name} is a template: --prompt {name}", quiet)
    _note_extractive(name, quiet)


def note_unread(settings: Settings, quiet: bool) -> None:
    """Note that a template is chosen and the chat model reads none."""
    if settings.prompt and settings.is_extractive:
        note(
            f"note: extractive quotes the documents: the prompt {settings.prompt} is unread", quiet
        )


def _note_extractive(name: str, quiet: bool) -> None:
    """Warn where the settings name a chat model that reads no template; the default is no name."""
    from rag_app.settings import load_settings

    settings = load_settings(prompt=name)
    if "llm" in settings.model_fields_set:
        note_unread(settings, quiet)


@app.command()
def new(file: File, debug: Debug = False, quiet: Quiet = False) -> None:
    """Write a commented template that works as it is; never over a file that is there."""
    from rag_app.prompts import new_prompt

    new_prompt(file)
    note(f"wrote {file}: change it, then 'rag prompt check {file}'", quiet)


def prompt_record(prompt: Prompt) -> dict[str, object]:
    """Return the stable JSON shape of a template in the list."""
    return {
        "name": prompt.name,
        "description": prompt.description,
        "variables": list(prompt.variables),
        "examples": len(prompt.examples),
    }


def _sample(prompt: Prompt) -> Mapping[str, str]:
    """Return a value for each variable, in the template's language where there is one."""
    from ingest import detect_language
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
        ScoredChunk(text=text, source="museum.pdf", start=0, end=len(text), page=2),
        ScoredChunk(text=other, source="prices.md", start=0, end=len(other)),
    ]
    samples = {"question": question, "context": format_context(chunks), "history": history}
    return {name: samples.get(name, f"<{name}>") for name in prompt.variables}
