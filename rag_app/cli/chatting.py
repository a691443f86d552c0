"""``rag chat``: one question after another, from a person or from a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag_app.cli.asking import answer_record
from rag_app.cli.options import AsJson, Debug, Index, Llm, Prompt, Quiet, TopK
from rag_app.cli.output import note

if TYPE_CHECKING:
    from rag_app.app import RagApp
    from rag_app.cli.reply import Reply
    from rag_app.settings import Settings

HELP = """\
/sources   the quotes of the last answer
/llm P:M   go on with another chat model
/clear     forget the conversation
/quit      leave (or Ctrl-D)"""


def chat(
    llm: Llm = None,
    prompt: Prompt = None,
    top_k: TopK = None,
    index: Index = None,
    as_json: AsJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Ask one question after another; /help lists the commands."""
    from ingest import RagError
    from rag_app.settings import load_settings

    settings = load_settings(index=index, llm=llm, prompt=prompt, top_k=top_k)
    session = _Session(settings, as_json=as_json, quiet=quiet)
    session.app.status()  # without an index, say so before the first question
    at_terminal = sys.stdin.isatty()
    for line in _lines(at_terminal):
        try:
            if not session.take(line):
                break
        except RagError as error:
            if not at_terminal:
                raise
            note(f"error: {error}")
        except KeyboardInterrupt:
            if not at_terminal:
                raise
            note("\ninterrupted")


def _lines(at_terminal: bool) -> Iterator[str]:
    if not at_terminal:
        yield from sys.stdin
        return
    import readline  # noqa: F401 - gives input() line editing and history

    while True:
        try:
            yield input("? ")
        except EOFError:
            print()
            return


@dataclass(slots=True)
class _Session:
    """A conversation: what was asked and answered, and with which settings."""

    settings: Settings
    as_json: bool
    quiet: bool
    app: RagApp = field(init=False)
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    last: Reply | None = None

    def __post_init__(self) -> None:
        self._start(self.settings)

    def take(self, line: str) -> bool:
        """Do what the line says and return whether to go on."""
        match line.strip().partition(" "):
            case "", _, _:
                pass
            case "/quit" | "/exit", _, _:
                return False
            case "/help", _, _:
                note(HELP)
            case "/clear", _, _:
                self.exchanges.clear()
                self.last = None
            case "/sources", _, _:
                self._show_sources()
            case "/llm", _, llm:
                self._change_llm(llm.strip())
            case command, _, _ if command.startswith("/"):
                note(f"there is no command {command}\n{HELP}")
            case _:
                self._answer(line.strip())
        return True

    def _start(self, settings: Settings) -> None:
        from rag_app.app import RagApp

        app = RagApp(settings)
        assert app.llm  # says what is missing, before anything is asked
        self.app, self.settings = app, settings

    def _change_llm(self, llm: str) -> None:
        from rag_app.settings import load_settings

        if llm:
            self._start(load_settings(**{**self.settings.model_dump(), "llm": llm}))
        note(f"chat model: {self.settings.llm}", self.quiet)

    def _show_sources(self) -> None:
        from rag_app.cli.reply import print_citations

        if self.last:
            print_citations(self.last, self.app)
        else:
            note("nothing was answered yet")

    def _answer(self, question: str) -> None:
        from rag_app.cli.followups import standalone_question
        from rag_app.cli.reply import print_places, stream_reply

        llm = None if self.settings.llm == "extractive" else self.app.llm
        understood = standalone_question(question, self.exchanges, llm)
        if understood != question:
            note(f"(asking: {understood})", self.quiet)
        self.last = stream_reply(self.app, understood, None, silent=self.as_json)
        self.exchanges.append((understood, self.last.answer.text))
        if self.as_json:
            print(json.dumps(answer_record(self.last.answer), ensure_ascii=False), flush=True)
        else:
            print_places(self.last)
            print(flush=True)
