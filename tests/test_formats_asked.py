"""A question to a file of each format, and the table of their answers in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.formats import ask_all, table
from ingest.loaders.ocr import unavailable


@pytest.mark.slow
def test_each_format_is_answered_with_the_location_that_the_docs_say(tmp_path: Path) -> None:
    written = (Path(__file__).parents[1] / "docs" / "formats.md").read_text().splitlines()

    found = table(ask_all(tmp_path))

    assert len(found) == 30
    assert [line for line in found if line not in written and not _is_skipped(line)] == []


def _is_skipped(line: str) -> bool:
    return bool(unavailable()) and "`sign.png`" in line
