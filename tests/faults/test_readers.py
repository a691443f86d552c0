from __future__ import annotations

from pathlib import Path

from readers import readers


def test_readers_never_see_an_error_a_mix_or_an_older_state(tmp_path: Path) -> None:
    outcome = readers(14, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried > 100
