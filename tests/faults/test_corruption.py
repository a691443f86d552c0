from __future__ import annotations

from pathlib import Path

from corruption import damage_files


def test_a_damaged_index_serves_what_it_did_or_nothing(tmp_path: Path) -> None:
    outcome = damage_files(150, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == 150
    seen = dict(outcome.facts)
    for kind in ("flip", "truncate", "zero", "swap", "extend"):
        assert seen[f"{kind} refused"] > 0
        assert seen[f"{kind} harmless"] > 0
