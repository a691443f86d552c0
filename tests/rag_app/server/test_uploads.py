"""Uploaded files are stored whole, under safe names, inside the documents folder."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from ingest import UsageError
from rag_app.server.uploads import (
    NameTakenError,
    file_name,
    remove_file,
    store_files,
    stored_file,
)

NAMES = {
    "report.pdf": "report.pdf",
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "/etc/cron.d/job": "job",
    "C:\\Users\\ana\\plano.docx": "plano.docx",
    "folder/": None,
    "": None,
    ".": None,
    "..": None,
    ".ragignore": None,
    ".htaccess": None,
    "~$lock.docx": None,
    "con.txt": None,
    "LPT1": None,
    "a" * 201 + ".txt": None,
    "relato\u0301rio.txt": "relat\u00f3rio.txt",
    "in\u202evoice\u202c.txt": "invoice.txt",
    "a\x00b\nc.txt": "abc.txt",
    'what?"<is>|*this:.md': "what___is___this_.md",
    "  spaced .txt. ": "spaced .txt",
    "%2e%2e%2fpasswd": "%2e%2e%2fpasswd",
}


@pytest.mark.parametrize(("given", "stored"), NAMES.items(), ids=range(len(NAMES)))
def test_a_name_loses_its_folders_and_what_is_not_seen(given: str, stored: str | None) -> None:
    if stored is None:
        with pytest.raises(UsageError):
            file_name(given)
    else:
        assert file_name(given) == stored


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    for given, stored in NAMES.items():
        if stored:
            assert store_files(folder, [(given, io.BytesIO(b"x"))], replace=True) == [stored]
    assert {path.name for path in tmp_path.iterdir()} == {"docs"}
    assert sorted(path.name for path in folder.iterdir()) == sorted({*filter(None, NAMES.values())})


def test_a_file_that_exists_is_replaced_only_if_asked(tmp_path: Path) -> None:
    store_files(tmp_path, [("a.txt", io.BytesIO(b"old"))], replace=False)
    new = [("b.txt", io.BytesIO(b"b")), ("a.txt", io.BytesIO(b"new"))]
    with pytest.raises(NameTakenError, match=r"'a\.txt' already"):
        store_files(tmp_path, new, replace=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"old"}
    store_files(tmp_path, [("a.txt", io.BytesIO(b"new"))], replace=True)
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [("x/a.txt", io.BytesIO(b"1")), ("y/a.txt", io.BytesIO(b"2"))]
    with pytest.raises(UsageError, match="twice"):
        store_files(tmp_path, files, replace=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_link_or_a_folder_is_never_replaced(tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    folder = tmp_path / "docs"
    folder.mkdir()
    if kind == "link":
        (folder / "a.txt").symlink_to(outside)
    else:
        (folder / "a.txt").mkdir()
    with pytest.raises(UsageError, match="folder or a link"):
        store_files(folder, [("a.txt", io.BytesIO(b"new"))], replace=True)
    assert outside.read_text() == "secret"


SOURCES = [
    "../outside.txt",
    "/etc/hostname",
    "link.txt",
    "linked/inside.txt",
    "gone.txt",
    "sub",
    "",
]


@pytest.mark.parametrize("source", SOURCES)
def test_only_files_of_the_folder_are_served_or_removed(tmp_path: Path, source: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "inside.txt").write_text("secret")
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    os.symlink(outside, folder / "link.txt")
    os.symlink(tmp_path / "other", folder / "linked")
    with pytest.raises(FileNotFoundError):
        stored_file(folder, source)
    remove_file(folder, source)
    assert outside.read_text() == "secret"
    assert (tmp_path / "other" / "inside.txt").read_text() == "secret"


def test_a_file_in_a_subfolder_is_served_and_removed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("text")
    assert stored_file(tmp_path, "sub/a.txt").read_text() == "text"
    remove_file(tmp_path, "sub/a.txt")
    assert not (tmp_path / "sub" / "a.txt").exists()
