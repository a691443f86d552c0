"""Compile the library that ends a process at a chosen call, and arm it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
WRITE = "w"


def compile_shim(folder: Path) -> Path | None:
    """Return the compiled library, or None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    return library if subprocess.run(command, check=False).returncode == 0 else None


@contextmanager
def preloaded(library: Path | None) -> Iterator[None]:
    """Give the library to the interpreters that are started in the block."""
    if library is None:
        yield
        return
    before = os.environ.get("LD_PRELOAD")
    os.environ["LD_PRELOAD"] = str(library)
    try:
        yield
    finally:
        os.environ.pop("LD_PRELOAD")
        if before is not None:
            os.environ["LD_PRELOAD"] = before


def is_loaded() -> bool:
    """Return whether this process was started with the library."""
    return hasattr(ctypes.CDLL(None), "seen")


def arm(folder: Path, call: int, halfway: bool = False) -> None:
    """Count the calls on files in ``folder`` from now on, and die at one of them; 0 is never.

    Args:
        folder: What is watched.
        call: The number of the call, counted from 1.
        halfway: If that is a write, die when half of it is done.
    """
    ctypes.CDLL(None).arm(os.fsencode(folder.resolve()), ctypes.c_long(call), int(halfway))


def seen() -> str:
    """Return the kinds of the calls since :func:`arm`, one letter each."""
    function = ctypes.CDLL(None).seen
    function.restype = ctypes.c_char_p
    return str(function().decode("ascii"))
