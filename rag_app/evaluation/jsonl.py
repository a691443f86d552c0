"""Read JSONL files; every error names the file and the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest import UsageError


@dataclass(frozen=True, slots=True)
class Line:
    """The JSON object of a line of a file; a value of another type raises UsageError."""

    file: Path
    number: int
    values: Mapping[str, object]

    @property
    def place(self) -> str:
        """File and line, as an error begins."""
        return f"{self.file}, line {self.number}"

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string, or ``default`` if it is null or missing."""
        value = self.values.get(key)
        if value is None:
            value = default
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise UsageError(f"{self.place}: '{key}' must be a text, not {shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of strings, or None if it is null or missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UsageError(f"{self.place}: '{key}' must be a list of texts, not {shown(value)}")
        return tuple(value)

    def span(self, key: str) -> tuple[int, int] | None:
        """Return a pair of offsets, or None if it is null or missing."""
        match self.values.get(key):
            case None:
                return None
            case [int(start), int(end)] if 0 <= start < end:
                return start, end
            case other:
                raise UsageError(
                    f"{self.place}: '{key}' must be two offsets, as in [0, 40], not {shown(other)}"
                )

    def truth(self, key: str) -> bool | None:
        """Return true, false, or None if it is null or missing."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise UsageError(f"{self.place}: '{key}' must be true or false, not {shown(value)}")


def read_lines(file: Path) -> Iterator[Line]:
    """Yield the non-blank lines of a file.

    Raises:
        UsageError: The file can't be read, or a line is not a JSON object.
    """
    for number, row in enumerate(read_text(file).split("\n"), 1):
        if not row.strip():
            continue
        try:
            values = json.loads(row)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"{file}, line {number} is not JSON: {error.msg} at character {error.pos + 1}"
            ) from None
        if not isinstance(values, dict):
            raise UsageError(f'{file}, line {number}: expected an object, as in {{"question": …}}')
        yield Line(file, number, values)


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises:
        UsageError: It can't be read or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{file}, line {line} is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from None


def shown(value: object) -> str:
    """Return a value as JSON, at most 60 characters, or ``missing``."""
    return "missing" if value is None else json.dumps(value, ensure_ascii=False)[:60]
