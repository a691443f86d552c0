"""``rag chat``: a conversation, at a terminal or through a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli.line_input import read_lines
from rag_app.cli.options import AsJson, Index, Llm, Prompt, Quiet, TopK, settings_of_index
from rag_app.cli.output import note
from rag_app.cli.prompt import note_unread

if TYPE_CHECKING:
    from ingest import UsageError
    from rag_app.app import RagApp
    from rag_app.cli.answer_output import Reply
    from rag_app.conversation import Conversation
    from rag_app.types import Event

_HELP = {
    "/sources": "show the quotes of the last answer with their places",
    "/llm NAME": "switch to another chat model",
    "/prompt NAME": "switch to another prompt template; without NAME, by the question's language",
    "/save FILE": "save the conversation; 'rag chat --resume FILE' continues it",
    "/clear": "forget the conversation",
    "/help": "show this list",
    "/quit": "quit (or Ctrl-D)",
}
_COMMANDS = [command.partition(" ")[0] for command in _HELP]


def chat(
    llm: Llm = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="FILE", help="Continue a saved conversation."),
    ] = None,
    index: Index = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask one question after another; /help lists the commands.

    Through a pipe, errors are reported and the next line is read; the exit code is the highest of
    the errors.
    """
    from ingest import RagError
    from rag_app.app import RagApp

    settings = settings_of_index(quiet, index=index, llm=llm, prompt=prompt, top_k=top_k)
    app = RagApp(settings)
    app.chain()  # raises for anything missing before the first question
    note_unread(settings, quiet)
    session = _Session(app.chat(resume), as_json, quiet)
    at_terminal = sys.stdin.isatty()
    asked = [turn.question for turn in session.conversation.history]
    failed = 0
    for line in read_lines(_completions(), asked):
        try:
            if not session.take(line.strip()):
                break
        except RagError as error:
            failed = max(failed, error.exit_code)
            note(f"error: {error}")
        except KeyboardInterrupt:
            if not at_terminal:
                raise
            note("\ninterrupted")
    if failed and not at_terminal:
        raise typer.Exit(failed)


def _completions() -> list[str]:
    from rag_app.prompts import answering_prompts

    models = ("extractive", "huggingface:", "openai:")
    return [
        *_COMMANDS,
        *(f"/llm {model}" for model in models),
        *(f"/prompt {name}" for name in answering_prompts()),
    ]


@dataclass(slots=True)
class _Session:
    """A conversation, how it is shown, and the last reply."""

    conversation: Conversation[RagApp]
    as_json: bool
    quiet: bool
    last: Reply | None = None

    def take(self, line: str) -> bool:
        """Run a command or answer a question; return whether to continue."""
        command, _, value = line.partition(" ")
        if command in ("/quit", "/exit"):
            return False
        commands = {
            "/sources": self._show_sources,
            "/llm": self._change_llm,
            "/prompt": self._change_prompt,
            "/save": self._save,
            "/clear": self._clear,
            "/help": self._help,
        }
        if command in commands:
            commands[command](value.strip())
        elif command.startswith("/"):
            raise _unknown(command)
        elif line:
            self._answer(line)
        return True

    def _show_sources(self, _: str) -> None:
        from rag_app.cli.answer_output import Reply, print_citations

        history = self.conversation.history
        if history:
            reply = self.last or Reply(history[-1].answer, ())
            print_citations(reply, self.conversation.app, every_quote=True)
        else:
            note("there is no answer yet")

    def _change_llm(self, llm: str) -> None:
        if llm:
            self.conversation.use(llm)
        note(f"chat model: {self.conversation.app.settings.llm}", self.quiet)

    def _change_prompt(self, prompt: str) -> None:
        self.conversation.use_prompt(prompt or None)
        chosen = prompt or "by the question's language"
        note(f"prompt: {chosen}", self.quiet)
        note_unread(self.conversation.app.settings, self.quiet)

    def _save(self, path: str) -> None:
        from ingest import UsageError

        if not path:
            raise UsageError("name the file: /save FILE")
        self.conversation.save(path)
        note(f"saved to {path}: questions {len(self.conversation.history)}", self.quiet)

    def _clear(self, _: str) -> None:
        self.conversation.clear()
        self.last = None

    def _help(self, _: str) -> None:
        note("\n".join(f"{command:<14}{text}" for command, text in _HELP.items()))

    def _answer(self, question: str) -> None:
        from rag_app.cli.answer_output import print_places, stream_reply

        self.last = stream_reply(
            self._events(question),
            silent=self.as_json,
            quiet=self.quiet,
            thinking=self.conversation.app.settings.show_thinking,
        )
        if self.as_json:
            record = self.last.answer.to_record()
            print(json.dumps(record, ensure_ascii=False), flush=True)
        else:
            print_places(self.last, self.conversation.app)
            print(flush=True)

    def _events(self, question: str) -> Iterator[Event]:
        from rag_app.conversation import Condensed

        for event in self.conversation.stream(question):
            if isinstance(event, Condensed):
                note(f"(asking: {event.question})", self.quiet)
            else:
                yield event


def _unknown(command: str) -> UsageError:
    from ingest import UsageError

    close = get_close_matches(command, _COMMANDS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return UsageError(f"there is no command {command}: {hint}/help lists them")
