"""The rules that leave files out by their names: hidden files, ``.ragignore``, globs in settings.

Patterns have the syntax of ``.gitignore`` (https://git-scm.com/docs/gitignore).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathspec import GitIgnoreSpec

from ingest.errors import UsageError

IGNORE_FILE = ".ragignore"


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of a folder and of those around it.

    Attributes:
        include: If there are any, only files that match one are read.
        exclude: Files and folders that match one are not read.
        files: The patterns of each ``.ragignore`` with the folder that it is in, outermost first.
    """

    include: GitIgnoreSpec
    exclude: GitIgnoreSpec
    files: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> IgnoreRules:
        """Return the rules of the settings; raises UsageError if a pattern is invalid."""
        return cls(_spec(include, "the setting include"), _spec(exclude, "the setting exclude"))

    def inside(self, folder: str, prefix: str) -> IgnoreRules:
        """Return the rules within a folder, with those of its ``.ragignore``.

        Args:
            folder: The folder.
            prefix: Its path relative to the documents folder, with a slash at the end.

        Raises:
            UsageError: If the file can't be read or a pattern is invalid: to go on would read what
                it leaves out.
        """
        file = Path(folder) / IGNORE_FILE
        if not file.is_file():
            return self
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeError) as error:
            raise UsageError(f"{prefix}{IGNORE_FILE} can't be read: {error}") from error
        return replace(self, files=(*self.files, (prefix, _spec(lines, prefix + IGNORE_FILE))))

    def reason(self, source: str) -> str:
        """Return why a file, or a folder with a slash at its end, is left out, or nothing."""
        name = source.rstrip("/").rpartition("/")[2]
        if name.startswith((".", "~$")):
            return "is hidden" if name[0] == "." else "is a lock file of an office program"
        if pattern := _ignoring(self.exclude, source):
            return f"matches '{pattern}' in the setting exclude"
        for prefix, spec in reversed(self.files):
            found = spec.check_file(source.removeprefix(prefix))
            if found.include is not None:
                pattern = _pattern(spec, found.index)
                return f"matches '{pattern}' in {prefix}{IGNORE_FILE}" if found.include else ""
        is_file = not source.endswith("/")
        if is_file and self.include.patterns and not _ignoring(self.include, source):
            return "matches no pattern in the setting include"
        return ""


def _spec(patterns: Sequence[str], origin: str) -> GitIgnoreSpec:
    for pattern in patterns:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            raise UsageError(f"'{pattern}' in {origin} is not a valid pattern") from error
    return GitIgnoreSpec.from_lines(patterns)


def _ignoring(spec: GitIgnoreSpec, source: str) -> str:
    """Return the pattern that takes a source; empty if none does."""
    if not spec.patterns:  # as in most folders, and it is asked for every file
        return ""
    found = spec.check_file(source)
    return _pattern(spec, found.index) if found.include else ""


def _pattern(spec: GitIgnoreSpec, index: int | None) -> str:
    return "" if index is None else str(getattr(spec.patterns[index], "pattern", ""))
