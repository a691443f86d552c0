"""Count how often the code jumps between files on a chunk's way in and on a question's way out.

    python -m benchmarks.call_path [--list]

A file of one chunk is indexed, and one question is asked of it, both by the command line. Every
call between two functions of ours is followed once, the first time it happens, as a reader would
follow it; what runs at import does not count. A change is a call of a function in another file than
the call before, a return is a change to a file that was visited already.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType

from rag_app.cli import main as rag

ROOT = Path(__file__).parents[1]
PACKAGES = tuple(f"{ROOT / name}{os.sep}" for name in ("ingest", "rag_app"))
TEXT = "# Pumps\n\nThe pump KT-560 holds 2.5 litres.\n"
QUESTION = "How much does the pump KT-560 hold?"
FUNCTION = 1  # CO_OPTIMIZED: bodies of modules and classes don't have it


class CallPath:
    """The files of the functions that a program calls, in order, each kind of call once."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._known: set[tuple[CodeType | None, CodeType]] = set()

    def record(self, arguments: Sequence[str]) -> None:
        """Run the command ``rag`` with these arguments."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as errors:
                code = rag(arguments)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        if code:
            raise SystemExit(errors.getvalue())

    @property
    def changes(self) -> list[str]:
        """The files, without those that repeat the one before."""
        pairs = zip(self.files, ["", *self.files], strict=False)
        return [file for file, before in pairs if file != before]

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event != "call" or not _is_ours(code) or _runs_at_import(frame):
            return
        call = _caller(frame), code
        if call not in self._known:
            self._known.add(call)
            self.files.append(str(Path(code.co_filename).relative_to(ROOT)))


def main() -> None:
    """Print files, changes and returns of both ways."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the files in order too")
    listed = parser.parse_args().list
    with TemporaryDirectory() as name:
        folder = Path(name, "docs")
        folder.mkdir()
        (folder / "pumps.md").write_text(TEXT)
        os.environ["XDG_STATE_HOME"] = name
        index = f"{name}/index"
        for way, arguments in (
            ("chunk", ["index", str(folder), "--index", index]),
            ("question", ["ask", QUESTION, "--index", index]),
        ):
            path = CallPath()
            path.record(arguments)
            files = len(set(path.files))
            print(
                f"{way:8}  {files} files, {len(path.changes) - 1} changes, "
                f"{len(path.changes) - files} returns"
            )
            if listed:
                print("".join(f"  {file}\n" for file in path.changes))


def _is_ours(code: CodeType) -> bool:
    return bool(code.co_flags & FUNCTION) and code.co_filename.startswith(PACKAGES)


def _runs_at_import(frame: FrameType) -> bool:
    above: FrameType | None = frame
    while above is not None:
        code = above.f_code
        # The packages load their names when these are first used, by ``__getattr__``.
        if code.co_name in ("<module>", "__getattr__") and code.co_filename.startswith(PACKAGES):
            return True
        above = above.f_back
    return False


def _caller(frame: FrameType) -> CodeType | None:
    """Return the function of ours that the frame runs for."""
    above = frame.f_back
    while above is not None and not _is_ours(above.f_code):
        above = above.f_back
    return above.f_code if above else None


if __name__ == "__main__":
    main()
