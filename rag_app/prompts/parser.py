"""Parse a prompt template and report all of its errors, by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from rag_app.prompts.template import OPTIONAL, Example, Prompt, name_problems

if TYPE_CHECKING:
    from yaml import Node

_KEYS = frozenset({"name", "description", "system", "user", "variables"})
_TEXT_TAG = "tag:yaml.org,2002:str"
# Variables that the app has values for: another name close to one of these is misspelled.
_GIVEN = frozenset({"context", "history", "question"}) | OPTIONAL
# A literal brace, a field, or a stray brace.
_BRACES = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}\n]*)\}|(?P<stray>[{}])")
_TWICE = "write a literal brace twice"
_STRAY = {"{": "expected '}' before end of string", "}": "a single '}'"}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """An error of a template, and its line in the file, from 1."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of the template.

    Attributes:
        where: Its name in messages.
        value: The text.
        lines: The lines of each variable in the file.
        readable: Whether all braces are valid.
    """

    where: str
    value: str
    lines: dict[str, list[int]]
    readable: bool


def parse_prompt(
    content: bytes, wanted: Iterable[str] | None = None
) -> Prompt | tuple[Problem, ...]:
    """Return the template in a file's content, or its errors, by line.

    Args:
        content: The file.
        wanted: The variables that it has to have; None for any.
    """
    import yaml

    try:
        source = content.decode("utf-8")
        root = yaml.compose(source, yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (Problem(line, "not UTF-8 text; save it as UTF-8"),)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = (getattr(error, "context", None), getattr(error, "problem", None))
        reason = ", ".join(filter(None, said)) or " ".join(str(error).split())
        return (Problem(mark.line + 1 if mark else 1, f"not valid YAML: {reason}"),)
    reading = _Reading(source, None if wanted is None else frozenset(wanted))
    prompt = reading.prompt(root)
    return tuple(sorted(reading.problems)) or prompt


@dataclass(slots=True)
class _Reading:
    """Reads a file's YAML nodes; invalid ones are reported and read as empty."""

    source: str
    wanted: frozenset[str] | None
    problems: list[Problem] = field(default_factory=list)

    def prompt(self, root: Node | None) -> Prompt:
        found = self._fields(root, "the file", _KEYS, optional=frozenset({"examples"}))
        name, description = (
            self._text(found[key], f"'{key}'") if key in found else ""
            for key in ("name", "description")
        )
        system, user = (self._template(found.get(key), f"'{key}'") for key in ("system", "user"))
        entries = self._items(found.get("variables"), "'variables'")
        listed = {self._text(entry, "an entry of 'variables'"): entry for entry in entries}
        meant = self._same_variables(found.get("variables"), listed, (system, user))
        variables = frozenset(meant.get(name, name) for name in user.lines)
        examples = tuple(
            self._example(entry, variables, f"example {number}")
            for number, entry in enumerate(self._items(found.get("examples"), "'examples'"), 1)
        )
        return Prompt(name, description, system.value, user.value, tuple(sorted(listed)), examples)

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
        self._problems(node, where, name_problems(frozenset(found) & wanted, wanted, "key"))
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

    def _template(self, node: Node | None, where: str) -> _Text:
        """Return a text with its variables; other braces are reported."""
        value = self._text(node, where) if node else ""
        lines: dict[str, list[int]] = {}
        faults = []
        for line, brace in self._braces(node, value):
            name = brace["field"]
            if name and name.isidentifier():
                lines.setdefault(name, []).append(line)
            elif brace["stray"]:
                faults.append(Problem(line, f"{where}: {_STRAY[brace['stray']]}; {_TWICE}"))
            elif name is not None:
                shown = f"'{brace.group()}' is not a plain variable name"
                faults.append(Problem(line, f"{where}: {shown}; {_TWICE}"))
        self.problems += faults
        return _Text(where, value, lines, readable=bool(value) and not faults)

    def _braces(self, node: Node | None, value: str) -> Iterator[tuple[int, re.Match[str]]]:
        """Yield the braces of a text with their lines in the file."""
        found = list(_BRACES.finditer(value))
        if node is None or not found:
            return
        start, end = node.start_mark.index, node.end_mark.index
        written = list(_BRACES.finditer(self.source, start, end))
        first = node.start_mark.line + 1
        if [brace.group() for brace in written] != [brace.group() for brace in found]:
            yield from ((first, brace) for brace in found)  # some are written as escapes
            return
        for brace in written:
            yield first + self.source.count("\n", start, brace.start()), brace

    def _same_variables(
        self, node: Node | None, listed: dict[str, Node], texts: tuple[_Text, ...]
    ) -> dict[str, str]:
        """Compare the variables listed and used; return the corrections of misspelled ones."""
        if node is None or (not listed and self.problems):  # it would be reported twice
            return {}
        used = {name for text in texts for name in text.lines}
        names = frozenset(used | listed.keys())
        meant = {name: close for name in names if (close := self._meant(name, listed, used))}
        for name, close in meant.items():
            hint = f"does not know the variable '{name}'; did you mean '{close}'?"
            if name in listed:
                self._problem(listed[name], f"'variables' {hint}")
            for text in texts:
                for line in text.lines.get(name, ()):
                    self.problems.append(Problem(line, f"{text.where} {hint}"))
        right = {meant.get(name, name) for name in listed}
        needed = {meant.get(name, name) for name in used}
        if not all(text.readable for text in texts):
            needed |= right  # they may be used where the braces are invalid
        self._problems(node, "'variables'", name_problems(frozenset(right), frozenset(needed)))
        if self.wanted is not None and (right | needed) - OPTIONAL != self.wanted:
            answering = " and ".join(sorted(self.wanted))
            self._problem(node, f"answering gives {answering}: use both, and no other")
        return meant

    def _meant(self, name: str, listed: Iterable[str], used: Iterable[str]) -> str | None:
        """Return the correction of a misspelled name, None if it is not misspelled."""
        if name in _GIVEN or (name in listed and name in used and self.wanted is None):
            return None
        others = _GIVEN if self.wanted is None else self.wanted | OPTIONAL
        if name not in listed:
            others = others | frozenset(listed)
        close = get_close_matches(name, sorted(others - {name}), n=1, cutoff=0.7)
        return close[0] if close else None

    def _problems(self, node: Node, where: str, texts: Iterable[str]) -> None:
        for text in texts:
            self._problem(node, f"{where} {text}")

    def _problem(self, node: Node | None, text: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1 if node else 1, text))
