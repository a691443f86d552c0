from __future__ import annotations

from pathlib import Path

import pytest
from changes import CHANGES
from disk import full_disks


@pytest.mark.slow
def test_a_full_disk_fails_a_change_and_keeps_the_index(tmp_path: Path) -> None:
    outcome = full_disks(len(CHANGES), tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == len(CHANGES)
