from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kills import command_kills, kills


@pytest.mark.slow
def test_a_killed_change_leaves_a_committed_state(tmp_path: Path) -> None:
    outcome = kills(30, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == 30
    if shutil.which("cc"):
        assert dict(outcome.facts)["killed at a call"] == 24


@pytest.mark.slow
def test_a_killed_command_leaves_the_old_or_the_new_answers(tmp_path: Path) -> None:
    outcome = command_kills(1, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == 1
