"""Prompt templates: YAML files to load, check and render.

A template has a ``name``, a ``description``, a ``system`` and a ``user`` text with ``{variables}``,
the list of those ``variables``, and optional few-shot ``examples``, each with a value for every
variable of ``user`` and the ``answer``. A literal brace is doubled. Only plain names are allowed
between braces: no attribute, index, conversion or format, so a template can't access anything else.

A file ``mine-pt.yaml`` next to ``mine.yaml`` is used for questions in Portuguese.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from ingest import UsageError
from rag_app.prompts.parser import Problem, parse_prompt
from rag_app.prompts.template import ANSWERING, Example, Prompt

__all__ = [
    "ANSWERING",
    "Example",
    "Problem",
    "Prompt",
    "answering_prompts",
    "check_prompt",
    "load_prompt",
    "new_prompt",
    "shipped_prompts",
    "weaknesses",
]

_FOLDER = Path(__file__).parent
_CITES = re.compile(
    r"""\[(?:\d+|n)\]
    | \b(?: cit(?:e[ds]?|ing|ations?|as?|ar|ando|ação|ações) | sources? | fontes? )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ABSTAINS = re.compile(
    r"""\b(?: (?:do|does|can|could)(?:[ ]not|n['’]t) | cannot | unknown
    | not[ ](?:in|stated|enough|found)
    | não[ ](?:sei|sabe|souber|diz|dizem|disser|tiver|tem|têm|há|houver|const\w+|responde\w*)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
# What the checks of an answer rely on, and the warning about a template without it.
_RULES = (
    (
        _CITES,
        "no rule asks for citations: end each sentence with the number of its source, as in [1]",
    ),
    (
        _ABSTAINS,
        "no rule says how to abstain when the context has no answer: "
        "I don't know: the documents don't say.",
    ),
)


def load_prompt(name_or_path: Path | str) -> Prompt:
    """Return the shipped prompt of that name, or the one in that file with its Portuguese version.

    Raises:
        UsageError: There is no such prompt, or the file is not a valid template.
    """
    if not isinstance(name_or_path, str | Path):
        raise UsageError(f"a prompt is a name or a path, not {name_or_path!r}")
    if shipped := _shipped(str(name_or_path)):
        return _load(shipped)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return _with_portuguese(_load(path), path.with_stem(f"{path.stem}-pt"))
    raise UsageError(
        f"there is no prompt '{name_or_path}': give the path of a YAML file or one of "
        f"{', '.join(shipped_prompts())}"
    )


def shipped_prompts() -> tuple[str, ...]:
    """Return the names of the prompts that come with the app, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def answering_prompts() -> tuple[str, ...]:
    """Return the names of the shipped prompts that answer a question from context, sorted."""
    return tuple(name for name in shipped_prompts() if load_prompt(name).answers)


def check_prompt(name_or_path: str) -> tuple[Problem, ...]:
    """Return all errors of a prompt as a template that answers, by line.

    Raises:
        UsageError: The file can't be read.
    """
    read = parse_prompt(_read(_shipped(name_or_path) or Path(name_or_path)), ANSWERING)
    return () if isinstance(read, Prompt) else read


def weaknesses(name_or_path: str) -> tuple[Problem, ...]:
    """Return warnings for missing rules that the checks of an answer rely on.

    Raises:
        UsageError: The file can't be read or is not a valid template.
    """
    path = _shipped(name_or_path) or Path(name_or_path)
    prompt = _load(path)
    said = "\n".join([prompt.system, prompt.user, *(one.answer for one in prompt.examples)])
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next((n for n, text in enumerate(lines, 1) if text.startswith("system")), 1)
    return tuple(Problem(line, text) for rule, text in _RULES if not rule.search(said))


def new_prompt(path: Path) -> None:
    """Write a commented template that works as it is.

    Raises:
        UsageError: The file exists already or can't be written.
    """
    starter = (_FOLDER / "starter.txt").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter.replace("NAME", json.dumps(path.stem, ensure_ascii=False)))
    except FileExistsError:
        raise UsageError(f"{path} already exists: choose another name") from None
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


def _shipped(name: str) -> Path | None:
    return _FOLDER / f"{name}.yaml" if name in shipped_prompts() else None


def _with_portuguese(prompt: Prompt, path: Path) -> Prompt:
    if not path.is_file():
        return prompt
    portuguese = _load(path)
    if portuguese.variables != prompt.variables:
        raise UsageError(
            f"prompt {path} has the variables {', '.join(portuguese.variables)}, but the prompt "
            f"that it translates has {', '.join(prompt.variables)}"
        )
    return replace(prompt, portuguese=portuguese)


def _load(path: Path) -> Prompt:
    read = parse_prompt(_read(path))
    if isinstance(read, Prompt):
        return read
    raise UsageError(f"prompt {path}: {'; '.join(map(str, read))}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"prompt {path}: {error.strerror}") from error
