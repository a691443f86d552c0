"""Filters by type and date, and what they refuse."""

from __future__ import annotations

import pytest

from ingest.errors import UsageError
from ingest.index.arguments import checked_filter
from ingest.index.filters import matching_documents
from ingest.index.records import DocumentRow, Origin

ROWS = [
    (n, DocumentRow(source, Origin.FOLDER, b"", loader, metadata=metadata))
    for n, (source, loader, metadata) in enumerate(
        [
            ("a.pdf", "pdf/4", {"date": "2024-12-31"}),
            ("b.pdf", "pdf/4", {"date": "2025-03-31"}),
            ("c.md", "markdown/4", {"date": "2025-04-01", "type": "memo"}),
            ("d.md", "markdown/4", {}),
        ]
    )
]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"type": "pdf"}, [0, 1]),
        ({"type": "memo"}, [2]),
        ({"since": "2025"}, [1, 2]),
        ({"since": "2025-03-31"}, [1, 2]),
        ({"until": "2024"}, [0]),
        ({"until": "2025-03"}, [0, 1]),
        ({"since": "2025-01-01", "until": "2025-03-31", "type": "pdf"}, [1]),
        ({"since": "2026"}, []),
    ],
)
def test_documents_are_chosen_by_type_and_stated_date(
    filter: dict[str, str], expected: list[int]
) -> None:
    assert matching_documents(ROWS, filter) == expected


@pytest.mark.parametrize("date", ["yesterday", "31/03/2025", "2025-3", "", "2025-03-31T10:00"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    with pytest.raises(UsageError, match="'since' has to be a date, as in 2025-03-31"):
        checked_filter({"since": date})
