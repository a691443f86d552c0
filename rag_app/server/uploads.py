"""Uploaded files: normalised names, written into the documents folder as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ingest import StoreError, UsageError

_LONGEST = 200  # bytes of a name; file systems allow 255
# Characters that separate folders, that Windows refuses, and that are not seen.
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")


class NameTakenError(UsageError):
    """A file of that name exists already."""


def file_name(given: str) -> str:
    """Return the name under which an uploaded file is stored, without any folder.

    Raises:
        UsageError: Nothing is left of the name, it is hidden, reserved or too long.
    """
    name = unicodedata.normalize("NFC", given.replace("\\", "/")).rpartition("/")[2]
    visible = "".join(one for one in name if unicodedata.category(one) not in ("Cc", "Cf", "Cs"))
    name = _FORBIDDEN.sub("_", visible).strip(" .") if not visible.startswith(".") else ""
    if not name or _RESERVED.match(name) or name.startswith("~$"):
        raise UsageError("a file has a name that can't be used: rename it, as in report.pdf")
    if len(name.encode()) > _LONGEST:
        raise UsageError(f"a file's name has more than {_LONGEST} bytes: rename it")
    return name


def store_files(folder: Path, files: Iterable[tuple[str, BinaryIO]], *, replace: bool) -> list[str]:
    """Write files into a folder and return their names.

    Args:
        folder: The documents folder; it is made if it does not exist.
        files: Name and content of each.
        replace: Replace files that exist; else nothing is written if one does.

    Raises:
        NameTakenError: A file exists, and ``replace`` is not set.
        UsageError: A name can't be used, or occurs twice.
        StoreError: The folder can't be written.
    """
    named = [(file_name(given), content) for given, content in files]
    names = [name for name, _ in named]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"'{twice}' is uploaded twice: give each file a name of its own")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_free(folder, names, replace)
        # A hidden folder: a sync does not read it.
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=folder) as staged:
            for name, content in named:
                with (Path(staged) / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
            for name in names:
                _move(Path(staged) / name, folder / name, replace)
    except OSError as error:
        raise StoreError(f"the file could not be stored: {error.strerror}") from error
    return names


def stored_file(folder: Path, source: str) -> Path:
    """Return the path of a file of the documents folder.

    Raises:
        FileNotFoundError: It is gone, or it is not a file within the folder.
    """
    root = folder.resolve()
    path = root / source
    if path.is_symlink() or path.resolve() != path or not path.is_relative_to(root):
        raise FileNotFoundError(source)
    if not path.is_file():
        raise FileNotFoundError(source)
    return path


def remove_file(folder: Path, source: str) -> None:
    """Remove a file of the documents folder; one that is gone already is no error.

    Raises:
        StoreError: It can't be removed.
    """
    try:
        with suppress(FileNotFoundError):
            stored_file(folder, source).unlink()
    except OSError as error:
        raise StoreError(f"'{source}' could not be removed: {error.strerror}") from error


def _check_free(folder: Path, names: Iterable[str], replace: bool) -> None:
    for name in names:
        path = folder / name
        if path.is_symlink() or path.is_dir():
            raise UsageError(f"'{name}' is the name of a folder or a link: rename the file")
        if path.exists() and not replace:
            raise NameTakenError(f"there is a file '{name}' already: replace it, or rename yours")


def _move(staged: Path, path: Path, replace: bool) -> None:
    """Move a file; without ``replace`` never over one that was made meanwhile."""
    if replace:
        os.replace(staged, path)
        return
    try:
        os.link(staged, path)
    except FileExistsError:
        raise NameTakenError(f"there is a file '{path.name}' already: rename yours") from None
