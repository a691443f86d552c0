"""A checked prompt template, and how it becomes messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest import UsageError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.prompts import ChatPromptTemplate

# The variables of a prompt that answers, and those that it may have too.
ANSWERING = ("context", "question")
OPTIONAL = frozenset({"retrieval_confidence"})


@dataclass(frozen=True, slots=True)
class Example:
    """A question of a few-shot prompt: the values of ``user``'s variables, and the answer."""

    values: Mapping[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked prompt template.

    Attributes:
        name: What ``--prompt`` calls it.
        description: One line for the list of prompts.
        system: Template of the system message.
        user: Template of the human message.
        variables: The names that ``system`` and ``user`` hold between braces, sorted.
        examples: Few-shot pairs that come before the human message.
        portuguese: The template to use in its place for a question in Portuguese.
    """

    name: str
    description: str
    system: str
    user: str
    variables: tuple[str, ...]
    examples: tuple[Example, ...] = ()
    portuguese: Prompt | None = None

    @property
    def answers(self) -> bool:
        """Whether it takes what answering gives: a question and its context."""
        return frozenset(self.variables) - OPTIONAL == frozenset(ANSWERING)

    def in_language(self, language: str) -> Prompt:
        """Return the template for a question in ``language``: ``en`` or ``pt``."""
        return self.portuguese if self.portuguese and language == "pt" else self

    def messages(self, **values: str) -> list[BaseMessage]:
        """Return system, few-shot and human messages with ``values`` inserted verbatim.

        Raises:
            UsageError: A variable is missing or unknown.
        """
        if problems := list(name_problems(frozenset(values), frozenset(self.variables))):
            raise UsageError(f"the prompt '{self.name}' {' and '.join(problems)}")
        from langchain_core.messages import HumanMessage, SystemMessage

        return [
            SystemMessage(self.system.format_map(values)),
            *self._example_messages(),
            HumanMessage(self.user.format_map(values)),
        ]

    def as_chat_template(self) -> ChatPromptTemplate:
        """Return the prompt as a LangChain template, to be composed with ``|``."""
        # Takes a third of a second to import, most of it for template languages we don't use.
        from langchain_core.prompts import ChatPromptTemplate

        return ChatPromptTemplate.from_messages(
            [("system", self.system), *self._example_messages(), ("human", self.user)]
        )

    def _example_messages(self) -> Iterator[BaseMessage]:
        from langchain_core.messages import AIMessage, HumanMessage

        for example in self.examples:
            yield HumanMessage(self.user.format_map(example.values))
            yield AIMessage(example.answer)


def name_problems(
    given: frozenset[str], wanted: frozenset[str], kind: str = "variable"
) -> Iterator[str]:
    """Yield what is missing and what is too much among the names given, if anything is."""
    for problem, names in (("lacks", wanted - given), ("does not know", given - wanted)):
        if names:
            listed = ", ".join(f"'{name}'" for name in sorted(names))
            yield f"{problem} the {kind} {listed}"
