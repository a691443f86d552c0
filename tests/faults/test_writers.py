from __future__ import annotations

from pathlib import Path

from writers import writers


def test_concurrent_and_killed_writers_lose_nothing(tmp_path: Path) -> None:
    outcome = writers(8, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == 8
