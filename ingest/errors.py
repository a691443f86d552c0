"""The errors that are messages for the user.

RagError
├── UsageError              wrong use or configuration           exit 2
│   ├── MissingExtraError   an optional package is not installed
│   └── MissingKeyError     an API key is not set
├── LoadError               a file could not be read (a sync lists it and continues)
│   └── UnsupportedError    a file of a kind that is not read (a sync ignores it)
├── StoreError              the index can't be used              exit 3
│   ├── IndexMissingError   there is no index yet
│   ├── IndexDamagedError   a file of the index is damaged
│   ├── IdentityError       the index was made with another embedding model
│   └── IndexBusyError      another process is writing
└── ProviderError           a model provider failed              exit 4

A message names the thing, the cause and the next command.
"""

from __future__ import annotations

from pathlib import Path


class RagError(Exception):
    """Base class of the errors that are messages for the user, not bugs."""

    exit_code = 1


class UsageError(RagError):
    """A value, option or folder is invalid."""

    exit_code = 2


class MissingExtraError(UsageError):
    """A required optional package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': {install_command(extra)}")


class MissingKeyError(UsageError):
    """A required API key is not set."""

    def __init__(self, what: str, variable: str) -> None:
        super().__init__(f"{what} needs a key: set {variable} in the environment or in .env")


class LoadError(RagError):
    """A file could not be read; the message is the reason, without the file's name."""


class UnsupportedError(LoadError):
    """A file is of a kind that is not read; the message says which."""


class StoreError(RagError):
    """The index can't be used."""

    exit_code = 3


class IndexMissingError(StoreError):
    """There is no index in the given folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"there is no index in {folder}: run 'rag index' to make one")


class IndexDamagedError(StoreError):
    """A file or row of the index is damaged; ``damage`` is the message without the advice."""

    def __init__(self, damage: str) -> None:
        self.damage = damage
        super().__init__(f"{damage}: run 'rag verify --repair' to mend the index")


class IdentityError(StoreError):
    """The index was made with an embedding model other than the configured one."""


class IndexBusyError(StoreError):
    """Another process holds the write lock."""


class ProviderError(RagError):
    """A model provider refused a request, failed or timed out."""

    exit_code = 4


def install_command(extra: str) -> str:
    """Return a command that installs the extra, for a clone and for a wheel.

    It names the packages of the extra, because rag-app itself is not on a package index.
    """
    from shlex import join

    source = Path(__file__).parents[1]
    return join(["pip", "install", *(_declared_requirements(extra) or [f"{source}[{extra}]"])])


def _declared_requirements(extra: str) -> list[str]:
    """Return the requirements of the extra; none if rag-app runs from source, not installed."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        declared = [line.replace('"', "'").partition(";") for line in requires("rag-app") or ()]
    except PackageNotFoundError:
        return []
    condition = f"extra == '{extra}'"
    return [requirement.strip() for requirement, _, marker in declared if condition in marker]
