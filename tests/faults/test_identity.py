from __future__ import annotations

from pathlib import Path

from identity import OTHER, refuse_other_models


def test_an_index_is_never_searched_with_another_model(tmp_path: Path) -> None:
    outcome = refuse_other_models(45, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == 45
    assert dict(outcome.facts) == {f"refused, other {field}": 5 for field in OTHER}
