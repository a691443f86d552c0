"""Prompt templates as data: YAML files, loaded, checked and rendered.

A template has a ``name``, a ``description``, a ``system`` and a ``user`` text with ``{variables}``,
the list of those ``variables``, and optional few-shot ``examples``, each with a value for every
variable of ``user`` and the ``answer``. Braces are doubled to be literal. Only plain names stand
between braces: no attribute, index, conversion or format, so a template can reach nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

from ingest import UsageError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.prompts import ChatPromptTemplate

_FOLDER = Path(__file__).parent
_KEYS = frozenset({"name", "description", "system", "user", "variables"})


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
    """

    name: str
    description: str
    system: str
    user: str
    variables: tuple[str, ...]
    examples: tuple[Example, ...] = ()

    def messages(self, **values: str) -> list[BaseMessage]:
        """Return system, few-shot and human messages with ``values`` inserted verbatim.

        Raises:
            UsageError: A variable is missing or unknown.
        """
        _same_names(f"the prompt '{self.name}'", frozenset(values), frozenset(self.variables))
        return self.as_chat_template().format_messages(**values)

    def as_chat_template(self) -> ChatPromptTemplate:
        """Return the prompt as a LangChain template, to be composed with ``|``."""
        from langchain_core.messages import AIMessage, HumanMessage
        from langchain_core.prompts import ChatPromptTemplate

        pairs = (
            message
            for example in self.examples
            for message in (
                HumanMessage(self.user.format_map(example.values)),
                AIMessage(example.answer),
            )
        )
        return ChatPromptTemplate.from_messages(
            [("system", self.system), *pairs, ("human", self.user)]
        )


def load_prompt(name_or_path: str) -> Prompt:
    """Return the shipped prompt of that name, or the one in that file.

    Raises:
        UsageError: There is no such prompt, or the file is not a valid template.
    """
    if name_or_path in shipped_prompts():
        return _read(_FOLDER / f"{name_or_path}.yaml")
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return _read(path)
    raise UsageError(
        f"there is no prompt '{name_or_path}': give the path of a YAML file or one of "
        f"{', '.join(shipped_prompts())}"
    )


def shipped_prompts() -> tuple[str, ...]:
    """Return the names of the prompts that come with the app, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def _read(path: Path) -> Prompt:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"prompt {path}: not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"prompt {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"prompt {path}: not valid YAML: {_one_line(error)}") from error
    try:
        return _parse(data)
    except UsageError as error:
        raise UsageError(f"prompt {path}: {error}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _parse(data: object) -> Prompt:
    fields = _mapping(data, "the file")
    _same_names("the file", frozenset(fields) - {"examples"}, _KEYS, kind="key")
    name, description, system, user = (
        _text(fields[key], f"'{key}'") for key in ("name", "description", "system", "user")
    )
    variables = frozenset(
        _text(variable, "an entry of 'variables'")
        for variable in _list(fields["variables"], "'variables'")
    )
    in_user = _variables(user, "'user'")
    _same_names("'variables'", variables, _variables(system, "'system'") | in_user)
    examples = tuple(
        _example(entry, in_user, f"example {number}")
        for number, entry in enumerate(_list(fields.get("examples", []), "'examples'"), 1)
    )
    return Prompt(name, description, system, user, tuple(sorted(variables)), examples)


def _example(entry: object, variables: frozenset[str], where: str) -> Example:
    fields = _mapping(entry, where)
    _same_names(where, frozenset(fields), variables | {"answer"}, kind="key")
    texts = {key: _text(value, f"'{key}' of {where}") for key, value in fields.items()}
    answer = texts.pop("answer")
    return Example(texts, answer)


def _variables(template: str, where: str) -> frozenset[str]:
    """Return the names between braces; raise UsageError for anything but plain names."""
    try:
        fields = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"{where}: {error}; write a literal brace twice") from error
    for _, name, format_spec, conversion in fields:
        if name is not None and (format_spec or conversion or not name.isidentifier()):
            shown = name + (f"!{conversion}" if conversion else "")
            shown += f":{format_spec}" if format_spec else ""
            raise UsageError(
                f"{where}: '{{{shown}}}' is not a plain variable name; write a literal brace twice"
            )
    return frozenset(name for _, name, _, _ in fields if name is not None)


def _same_names(
    where: str, given: frozenset[str], wanted: frozenset[str], kind: str = "variable"
) -> None:
    for problem, names in (("lacks", wanted - given), ("does not know", given - wanted)):
        if names:
            listed = ", ".join(f"'{name}'" for name in sorted(names, key=str))
            raise UsageError(f"{where} {problem} the {kind} {listed}")


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{where} has to be keys with values")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise UsageError(f"{where} has to be a list")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where} has to be a text that is not empty")
    return value.rstrip("\n")
