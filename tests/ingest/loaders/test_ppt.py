"""A presentation of PowerPoint 97-2003 is read slide by slide, as it was saved last."""

from __future__ import annotations

import struct

import pytest
from compound_files import compound_file

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.ppt import load_ppt

CONTAINER = 0xF
TITLE, NOTES, OTHER = 0, 2, 4


def record(kind: int, body: bytes, instance: int = 0, version: int = 0) -> bytes:
    return struct.pack("<HHI", version | instance << 4, kind, len(body)) + body


def container(kind: int, *bodies: bytes, instance: int = 0) -> bytes:
    return record(kind, b"".join(bodies), instance, CONTAINER)


def text(kind: int, words: str) -> bytes:
    return record(3999, struct.pack("<I", kind)) + record(4000, words.encode("utf-16-le"))


def shape(left: int, top: int, *texts: bytes) -> bytes:
    anchor = record(0xF010, struct.pack("<4h", top, left, left + 50, top + 20))
    return container(0xF004, anchor, container(0xF00D, *texts))


def table(*cells: bytes) -> bytes:
    options = record(0xF122, struct.pack("<HI", 0x39F, 1), instance=1, version=3)
    return container(0xF003, container(0xF004, options), *cells)


def drawn(kind: int, *parts: bytes) -> bytes:
    """Return a slide (1006) or a page of notes (1008): its atoms, then its shapes."""
    atoms = [one for one in parts if one[3] < 0xF0]
    shapes = [one for one in parts if one[3] >= 0xF0]
    root = container(0xF003, container(0xF004), *shapes)
    return container(kind, *atoms, container(1036, container(0xF002, root)))


def listed(which: int, *entries: tuple[int, int, bytes]) -> bytes:
    """Return a list of slides: the object, the id, and the outline of each."""
    found = (
        record(1011, struct.pack("<4I", number, 0, 0, name)) + outline
        for number, name, outline in entries
    )
    return container(4080, *found, instance=which)


def presentation(*saves: dict[int, bytes], token: int = 0xE391C05F) -> bytes:
    """Return a file saved several times, each with objects by number; 1 is the document."""
    data, last = b"\0" * 8, 0
    for objects in saves:
        directory = b""
        for number, content in objects.items():
            directory += struct.pack("<2I", number | 1 << 20, len(data))
            data += content
        at = len(data)
        data += record(6002, directory)
        edit, last = struct.pack("<5I", 0, 0, last, at, 1), len(data)
        data += record(4085, edit)
    user = struct.pack("<HHI3I", 0, 4086, 20, 20, token, last)
    return compound_file({"Current User": user, "PowerPoint Document": data})


REFERENCE = record(3998, struct.pack("<I", 0))
DOCUMENT = container(
    1000,
    listed(0, (2, 256, text(TITLE, "Harbour fees")), (3, 257, b"")),
    listed(2, (4, 1, b"")),
)
SAVED = {
    1: DOCUMENT,
    2: drawn(
        1006,
        shape(400, 105, text(OTHER, "right")),
        shape(10, 100, text(OTHER, "\uf0b7 left\rmore")),
        shape(10, 10, REFERENCE),
    ),
    3: drawn(1006, shape(10, 10, text(OTHER, "of yesterday"))),
    4: drawn(
        1008,
        record(1009, struct.pack("<I", 256)),
        shape(10, 10, text(NOTES, "Speak slowly.")),
        shape(10, 90, text(OTHER, "page 1")),
    ),
}
CHANGED = {
    3: drawn(
        1006,
        record(1017, struct.pack("<2i2BH", 0, 0, 0, 0, 4)),
        table(
            shape(60, 40, text(OTHER, "12")),
            shape(10, 40, text(OTHER, "Boat")),
            shape(60, 10, text(OTHER, "Euro")),
            shape(10, 10, text(OTHER, "Kind")),
        ),
    )
}


def test_slides_are_places_with_titles_tables_and_notes() -> None:
    document = load_ppt(presentation(SAVED, CHANGED), LoadOptions())
    assert document.text.split("\n\n") == [
        "Harbour fees",
        "- left\nmore",
        "right",
        "Notes: Speak slowly.",
        "Kind | Euro\nBoat | 12",
    ]
    assert [(one.name, document.text[one.start :][:4]) for one in document.places] == [
        ("slide 1", "Harb"),
        ("slide 2 (hidden)", "Kind"),
    ]
    assert document.headings[0].title == "Harbour fees"


def test_an_earlier_version_is_what_was_saved_then() -> None:
    assert load_ppt(presentation(SAVED), LoadOptions()).text.endswith("\n\nof yesterday")


def test_an_encrypted_presentation_says_so() -> None:
    with pytest.raises(LoadError, match="is encrypted"):
        load_ppt(presentation(SAVED, token=0xF3D1C4DF), LoadOptions())
