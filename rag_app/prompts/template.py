"""A valid prompt template, and its rendering to messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest import UsageError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.prompts import ChatPromptTemplate

# The variables of a prompt that answers: required, and optional.
ANSWERING = ("context", "question")
OPTIONAL = frozenset({"retrieval_confidence"})


@dataclass(frozen=True, slots=True)
class Example:
    """A few-shot example: the values of ``user``'s variables, and the answer."""

    values: Mapping[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A valid prompt template.

    Attributes:
        name: The name for ``--prompt``.
        description: One line for the list of prompts.
        system: Template of the system message.
        user: Template of the human message.
        variables: The variables of ``system`` and ``user``, sorted.
        examples: Few-shot examples before the human message.
        portuguese: The template for a question in Portuguese.
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
        """Whether its variables are those of an answer: a question and its context."""
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
        """Return the prompt as a LangChain template, to compose with ``|``."""
        # Imported here: it takes a third of a second, mostly for unused template languages.
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
    """Yield a phrase for missing names and one for unknown names."""
    for problem, names in (("lacks", wanted - given), ("does not know", given - wanted)):
        if names:
            listed = ", ".join(f"'{name}'" for name in sorted(names))
            yield f"{problem} the {kind} {listed}"
