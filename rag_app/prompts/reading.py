"""Read the file of a prompt template, and say everything that is wrong with it, by line."""

from __future__ import annotations

from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING

from rag_app.prompts.template import Example, Prompt, name_problems

if TYPE_CHECKING:
    from yaml import Node

_KEYS = frozenset({"name", "description", "system", "user", "variables"})
_TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong with a template, and the line of its file, from 1."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


def parse_prompt(content: bytes) -> Prompt | tuple[Problem, ...]:
    """Return the template in a file's content, or what keeps it from being one, by line."""
    import yaml

    try:
        root = yaml.compose(content.decode("utf-8"), yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (Problem(line, "not UTF-8 text; save it as UTF-8"),)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = (getattr(error, "context", None), getattr(error, "problem", None))
        reason = ", ".join(filter(None, said)) or " ".join(str(error).split())
        return (Problem(mark.line + 1 if mark else 1, f"not valid YAML: {reason}"),)
    reading = _Reading()
    prompt = reading.prompt(root)
    return tuple(sorted(reading.problems)) or prompt


@dataclass(slots=True)
class _Reading:
    """Takes a file's YAML nodes apart; what can't be read is noted and taken as empty."""

    problems: list[Problem] = field(default_factory=list)

    def prompt(self, root: Node | None) -> Prompt:
        found = self._fields(root, "the file", _KEYS, optional=frozenset({"examples"}))
        name, description, system, user = (
            self._text(found[key], f"'{key}'") if key in found else ""
            for key in ("name", "description", "system", "user")
        )
        in_system = self._variables(system, found.get("system"), "'system'")
        in_user = self._variables(user, found.get("user"), "'user'")
        entries = self._items(found.get("variables"), "'variables'")
        variables = frozenset(self._text(entry, "an entry of 'variables'") for entry in entries)
        if not self.problems:  # or the same mistake would be told twice
            self._same_names("'variables'", found["variables"], variables, in_system | in_user)
        examples = tuple(
            self._example(entry, in_user, f"example {number}")
            for number, entry in enumerate(self._items(found.get("examples"), "'examples'"), 1)
        )
        return Prompt(name, description, system, user, tuple(sorted(variables)), examples)

    def _example(self, entry: Node, variables: frozenset[str], where: str) -> Example:
        found = self._fields(entry, where, variables | {"answer"})
        texts = {key: self._text(node, f"'{key}' of {where}") for key, node in found.items()}
        answer = texts.pop("answer", "")
        return Example(texts, answer)

    def _fields(
        self,
        node: Node | None,
        where: str,
        wanted: frozenset[str],
        optional: frozenset[str] = frozenset(),
    ) -> dict[str, Node]:
        """Return the nodes of a mapping's keys."""
        import yaml

        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"{where} has to be keys with values")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "[…]"
            if name in found:
                self._problem(key, f"{where} has the key '{name}' twice")
            elif name not in wanted | optional:
                self._problem(key, f"{where} does not know the key '{name}'")
            found[name] = value
        self._same_names(where, node, frozenset(found) & wanted, wanted, kind="key")
        return found

    def _items(self, node: Node | None, where: str) -> list[Node]:
        import yaml

        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, f"{where} has to be a list")
            return []
        return list(node.value)

    def _text(self, node: Node, where: str) -> str:
        if node.tag == _TEXT_TAG and str(node.value).strip():
            return str(node.value).rstrip("\n")
        self._problem(node, f"{where} has to be a text that is not empty")
        return ""

    def _variables(self, template: str, node: Node | None, where: str) -> frozenset[str]:
        """Return the names between braces; anything but plain names is a problem."""
        try:
            fields = [part for part in Formatter().parse(template) if part[1] is not None]
        except ValueError as error:
            self._problem(node, f"{where}: {error}; write a literal brace twice")
            return frozenset()
        for _, name, format_spec, conversion in fields:
            if format_spec or conversion or not str(name).isidentifier():
                shown = str(name) + (f"!{conversion}" if conversion else "")
                shown += f":{format_spec}" if format_spec else ""
                self._problem(
                    node,
                    f"{where}: '{{{shown}}}' is not a plain variable name; "
                    "write a literal brace twice",
                )
        return frozenset(name for _, name, _, _ in fields if name and name.isidentifier())

    def _same_names(
        self,
        where: str,
        node: Node,
        given: frozenset[str],
        wanted: frozenset[str],
        kind: str = "variable",
    ) -> None:
        for problem in name_problems(given, wanted, kind):
            self._problem(node, f"{where} {problem}")

    def _problem(self, node: Node | None, text: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1 if node else 1, text))
