"""Which files of a folder are read, and the reason for each that is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import UsageError
from ingest.sync.ignore_rules import IgnoreRules
from ingest.sync.scan import Scan, find_files

Write = Callable[[str, str], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


@pytest.fixture
def write(folder: Path) -> Write:
    def write(source: str, text: str = "Text.") -> Path:
        path = folder / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def scan(folder: Path, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Scan:
    return find_files(folder, IgnoreRules.of(include, exclude), skip=folder / "index")


def ignored(found: Scan) -> dict[str, str]:
    return {problem.source: problem.reason for problem in found.ignored}


def test_hidden_files_and_lock_files_are_named(folder: Path, write: Write) -> None:
    for source in ("a.txt", ".git/b.txt", "sub/.c.txt", "sub/~$d.docx", "index/catalog", "sub/e"):
        write(source)

    found = scan(folder)

    assert sorted(found.files) == ["a.txt", "sub/e"]
    assert ignored(found) == {
        ".git/": "is hidden",
        "sub/.c.txt": "is hidden",
        "sub/~$d.docx": "is a lock file of an office program",
    }


def test_a_ragignore_has_the_syntax_of_gitignore(folder: Path, write: Write) -> None:
    write(".ragignore", "# drafts\n*.log\n/build/\nnotes/*\n!notes/kept.txt\n")
    write("deep/.ragignore", "*.txt\n!b.log\n")
    sources = ("a.log", "build/a.txt", "sub/build/a.txt", "notes/x.txt", "notes/kept.txt")
    for source in (*sources, "deep/a.txt", "deep/b.log", "deep/er/c.txt", "deep/d.md"):
        write(source)

    found = scan(folder)

    assert sorted(found.files) == ["deep/b.log", "deep/d.md", "notes/kept.txt", "sub/build/a.txt"]
    assert {source: why for source, why in ignored(found).items() if ".rag" not in source} == {
        "a.log": "matches '*.log' in .ragignore",
        "build/": "matches '/build/' in .ragignore",
        "notes/x.txt": "matches 'notes/*' in .ragignore",
        "deep/a.txt": "matches '*.txt' in deep/.ragignore",
        "deep/er/c.txt": "matches '*.txt' in deep/.ragignore",
    }


def test_patterns_in_the_settings_choose_files(folder: Path, write: Write) -> None:
    for source in ("a.pdf", "b.txt", "old/c.pdf", "new/d.pdf"):
        write(source)

    found = scan(folder, include=("*.pdf",), exclude=("old/",))

    assert sorted(found.files) == ["a.pdf", "new/d.pdf"]
    assert ignored(found) == {
        "b.txt": "matches no pattern in the setting include",
        "old/": "matches 'old/' in the setting exclude",
    }


def test_a_pattern_that_is_none_stops_the_run(folder: Path, write: Write) -> None:
    with pytest.raises(UsageError, match=r"'a\\' in the setting exclude is not a valid pattern"):
        IgnoreRules.of((), ("a\\",))
    write("sub/.ragignore", "!\n")
    with pytest.raises(UsageError, match=r"'!' in sub/.ragignore is not a valid pattern"):
        scan(folder)
    (folder / "sub/.ragignore").write_bytes(b"caf\xe9\n")
    with pytest.raises(UsageError, match=r"sub/.ragignore can't be read"):
        scan(folder)


def test_links_pipes_and_sockets_are_not_opened(folder: Path, write: Write, tmp_path: Path) -> None:
    write("a.txt")
    (tmp_path / "secret.txt").write_text("A secret.")
    (folder / "file.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "socket"))

        found = scan(folder)

    assert sorted(found.files) == ["a.txt"]
    assert ignored(found) == {
        "file.txt": "is a link: links are not followed",
        "loop": "is a link: links are not followed",
        "pipe.txt": "is a pipe, not a file",
        "socket": "is a socket, not a file",
    }


def test_of_two_files_with_one_name_the_other_is_named(folder: Path, write: Write) -> None:
    write("a.txt")
    for byte in (b"\xe9", b"\xea"):
        Path(os.fsdecode(os.fsencode(folder) + b"/caf" + byte + b".txt")).write_text("Text.")

    found = scan(folder)

    assert sorted(found.files) == ["a.txt", "caf�.txt"]
    assert ignored(found) == {"caf�.txt": "has the name of another file: rename one"}


_AS_NOBODY = """
import os, sys
from pathlib import Path
sys.path[:] = {path!r}
from ingest.sync.ignore_rules import IgnoreRules
from ingest.sync.scan import find_files, read_file
from ingest.errors import LoadError
if os.geteuid() == 0:
    os.setuid(65534)
folder = Path({folder!r})
found = find_files(folder, IgnoreRules.of((), ()), skip=folder / "index")
print(sorted(found.files), found.unreadable, *map(found.is_hidden, ("shut/b.txt", "a.txt")))
try:
    read_file(folder / "shut/", 100)
except LoadError as error:
    print(error)
"""


def test_an_unreadable_folder_is_listed_like_a_file(write: Write, folder: Path) -> None:
    write("a.txt")
    write("shut/b.txt")
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    (folder / "shut").chmod(0)

    script = _AS_NOBODY.format(path=sys.path, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    (folder / "shut").chmod(0o755)

    assert done.stdout.splitlines() == [
        "['a.txt', 'shut/'] ['shut/'] True False",
        "could not be read: Permission denied",
    ], done.stderr
