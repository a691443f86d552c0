"""Who asks the server, and what they may do."""

from __future__ import annotations

import hmac
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import yaml
from pydantic import SecretStr

from ingest import UsageError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = frozenset({"name", "sha256", "read", "write"})
_ALL = "all"
_RESERVED = ("local", "token")  # names of callers without an entry; conversations belong to a name


@dataclass(frozen=True, slots=True)
class Access:
    """A caller, and the collections that they may read and write; None is every collection.

    Conversations and feedback belong to ``name``.
    """

    name: str
    read: frozenset[str] | None = None
    write: frozenset[str] | None = None

    def may_read(self, collection: str) -> bool:
        """Return whether the caller may ask and read a collection."""
        return self.read is None or collection in self.read

    def may_write(self, collection: str) -> bool:
        """Return whether the caller may change the documents of a collection."""
        return self.may_read(collection) and (self.write is None or collection in self.write)


LOCAL = Access("local")


class Tokens:
    """The tokens that a server accepts, each as its SHA-256 digest."""

    def __init__(self, known: Sequence[tuple[bytes, Access]]) -> None:
        self._known = tuple(known)

    @classmethod
    def of(cls, token: SecretStr | None, file: Path | None) -> Tokens | None:
        """Return the tokens of the settings, None if there are none.

        Args:
            token: A token with every right.
            file: A file of hashed tokens: a YAML list of ``name``, ``sha256``, ``read`` and
                ``write``, each a list of collections or ``all``.

        Raises:
            UsageError: The token is too short, or the file is not such a list or can be written by
                others.
        """
        known = [*_of_file(file)] if file else []
        if token:
            known.append((_digest(_long_enough(token.get_secret_value())), Access("token")))
        return cls(known) if known else None

    def access(self, presented: str) -> Access | None:
        """Return what a token allows, None if it is not known.

        Every known token is compared in constant time, so that the time tells nothing.
        """
        digest = _digest(presented)
        found = [access for known, access in self._known if hmac.compare_digest(known, digest)]
        return found[0] if found else None


def new_token(
    name: str, read: Sequence[str] | None, write: Sequence[str] | None
) -> tuple[str, str]:
    """Return a random token, and the entry for it in a file of tokens.

    Args:
        name: Who it is for.
        read: The collections that it may read; None is all.
        write: The collections that it may change; None is all.
    """
    token = secrets.token_urlsafe(32)
    entry = {
        "name": name,
        "sha256": _digest(token).hex(),
        "read": _ALL if read is None else list(read),
        "write": _ALL if write is None else list(write),
    }
    return token, yaml.safe_dump([entry], sort_keys=False, allow_unicode=True)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _long_enough(token: str) -> str:
    if len(token) < 16:  # chosen by hand
        raise UsageError(
            "RAG_SERVER_TOKEN is shorter than 16 characters and could be guessed: "
            "'rag token NAME' makes a good one"
        )
    return token


def _of_file(file: Path) -> list[tuple[bytes, Access]]:
    try:
        if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"others may write to the file of tokens {file}: run chmod 600 on it")
        entries = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"the file of tokens {file} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"the file of tokens {file} is not YAML") from error
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"the file of tokens {file} has to be a list, as 'rag token NAME' shows")
    known = [_entry(entry, f"entry {n} of {file}") for n, entry in enumerate(entries, 1)]
    names = [*_RESERVED, *(access.name for _, access in known)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(
            f"the file of tokens {file} has the name '{twice}' twice, "
            f"or it is one of the server's own: {', '.join(_RESERVED)}"
        )
    return known


def _entry(entry: object, where: str) -> tuple[bytes, Access]:
    if not isinstance(entry, Mapping) or set(entry) != _KEYS:
        raise UsageError(f"{where} needs exactly the keys {', '.join(sorted(_KEYS))}")
    name, digest = entry["name"], entry["sha256"]
    if not (isinstance(name, str) and name.strip()):
        raise UsageError(f"{where}: 'name' has to be a text")
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise UsageError(f"{where}: 'sha256' has to be 64 hexadecimal digits")
    rights = (_collections(entry[key], f"{where}: '{key}'") for key in ("read", "write"))
    return bytes.fromhex(digest), Access(name, *rights)


def _collections(value: object, where: str) -> frozenset[str] | None:
    if value == _ALL:
        return None
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return frozenset(value)
    raise UsageError(f"{where} has to be a list of collections, or {_ALL}")
