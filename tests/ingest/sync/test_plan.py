"""What a plan makes of files and rows, case by case, without an index."""

from __future__ import annotations

import pytest

from ingest.errors import LoadError
from ingest.index.records import DocumentRow, Origin, Status
from ingest.sync.plan import Plan, make_plan
from ingest.types import FileContent, FileSignature

SIGNATURE = FileSignature(7, 1, 1, 1)


def row(source: str, text: str, status: Status) -> DocumentRow:
    return DocumentRow(source, Origin.FOLDER, text.encode(), "text 1", status)


def plan(known: DocumentRow, files: dict[str, str | None], unreadable: str = "none/") -> Plan:
    """Return the plan for the texts of a folder; a file without one can't be read."""

    def hidden(source: str) -> bool:
        return source.startswith(unreadable)

    def read(source: str) -> FileContent:
        text = files[source]
        if text is None:
            raise LoadError("can't be read")
        return FileContent(text.encode(), text.encode(), SIGNATURE)

    signatures = dict.fromkeys(files, SIGNATURE)
    return make_plan([known], frozenset(), signatures, hidden, lambda source: "text 1", read)


@pytest.mark.parametrize(
    ("status", "unchanged"),
    [(Status.INDEXED, 1), (Status.PARTIAL, 1), (Status.FAILED, 0), (Status.IGNORED, 0)],
)
def test_a_file_that_failed_is_signed_but_not_counted_as_unchanged(status: Status, unchanged: int):
    made = plan(row("menu.txt", "soup", status), {"menu.txt": "soup"})
    assert made == Plan((), (), (), (), (("menu.txt", SIGNATURE),), unchanged)


@pytest.mark.parametrize(
    ("status", "moves"), [(Status.INDEXED, True), (Status.PARTIAL, True), (Status.FAILED, False)]
)
def test_a_moved_file_keeps_its_row_unless_it_failed(status: Status, moves: bool):
    made = plan(row("menu.txt", "soup", status), {"lunch.txt": "soup"})
    assert [(old, new.source, new.status) for old, new in made.renamed] == (
        [("menu.txt", "lunch.txt", status)] if moves else []
    )
    assert made.new == (() if moves else ("lunch.txt",))
    assert [one.source for one in made.deleted] == ([] if moves else ["menu.txt"])


def test_a_document_in_a_folder_that_can_not_be_read_stays():
    known = row("old/menu.txt", "soup", Status.INDEXED)
    assert plan(known, {"new.txt": "stew"}, "old/") == Plan(("new.txt",), (), (), (), (), 0)
    assert plan(known, {"new.txt": "stew"}, "older/").deleted == (known,)


@pytest.mark.parametrize("text", ["stew", None])
def test_other_content_or_none_is_a_change(text: str | None):
    made = plan(row("menu.txt", "soup", Status.INDEXED), {"menu.txt": text})
    assert made == Plan((), ("menu.txt",), (), (), (), 0)
