from __future__ import annotations

from pathlib import Path

from stateful import stateful


def test_a_folder_that_was_followed_is_like_one_indexed_at_once(tmp_path: Path) -> None:
    outcome = stateful(100, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried >= 100
