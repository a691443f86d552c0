"""A presentation is read slide by slide, as it is seen."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.pptx import load_pptx
from ingest.types import Document

TITLE_AND_BODY, TITLE_ONLY, BLANK = 1, 5, 6


def deck(*builds: Callable[[Any], object], layout: int = TITLE_ONLY) -> bytes:
    """Return a presentation; each function fills a slide."""
    presentation = Presentation()
    for build in builds:
        build(presentation.slides.add_slide(presentation.slide_layouts[layout]))
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def read(content: bytes) -> Document:
    return load_pptx(content, LoadOptions())


def box(slide: Any, left: float, top: float, text: str) -> Any:
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1))
    shape.text_frame.text = text
    return shape


def titled(title: str) -> Callable[[Any], None]:
    def build(slide: Any) -> None:
        slide.shapes.title.text = title

    return build


def places(document: Document) -> list[tuple[str, str]]:
    """Return the name and the first line of each place."""
    return [(one.name, document.text[one.start :].split("\n")[0]) for one in document.places]


def test_each_slide_is_a_place_under_its_title() -> None:
    document = read(deck(titled("Budget"), titled("Staff plan")))
    assert places(document) == [("slide 1", "Budget"), ("slide 2", "Staff plan")]
    assert [(one.level, one.title) for one in document.headings] == [
        (1, "Budget"),
        (1, "Staff plan"),
    ]


def test_an_untitled_slide_does_not_belong_to_the_title_before() -> None:
    document = read(deck(lambda slide: box(slide, 1, 1, "only a box"), layout=BLANK))
    assert [one.title for one in document.headings_at(3)] == ["slide 1"]
    assert document.text == "only a box"


def test_boxes_are_read_row_by_row_however_they_were_drawn() -> None:
    def build(slide: Any) -> None:
        box(slide, 1, 4, "bottom")
        box(slide, 5, 1.1, "upper right")
        box(slide, 1, 1.2, "upper left")
        group = slide.shapes.add_group_shape()
        box(group, 3, 2.9, "grouped right")
        box(group, 1, 2.8, "grouped left")

    assert read(deck(build, layout=BLANK)).text.split("\n\n") == [
        "upper left",
        "upper right",
        "grouped left",
        "grouped right",
        "bottom",
    ]


def test_points_notes_and_hidden_slides_are_marked() -> None:
    def build(slide: Any) -> None:
        slide.shapes.title.text = "Plans"
        slide.placeholders[1].text = "Hire two\nMove house"
        slide.notes_slide.notes_text_frame.text = "Say when."
        slide._element.set("show", "0")

    document = read(deck(build, layout=TITLE_AND_BODY))
    assert document.text == "Plans\n\n- Hire two\n- Move house\n\nNotes: Say when."
    assert places(document) == [("slide 1 (hidden)", "Plans")]


def test_rows_of_tables_are_lines_and_merged_cells_are_repeated() -> None:
    def build(slide: Any) -> None:
        shape = slide.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(2))
        texts = ("Room", "Day", "Fee", "Hall", "Mon", "30", "", "Sun", "55")
        for i, text in enumerate(texts):
            shape.table.cell(i // 3, i % 3).text = text
        shape.table.cell(1, 0).merge(shape.table.cell(2, 0))

    assert read(deck(build, layout=BLANK)).text == (
        "Room | Day | Fee\nHall | Mon | 30\nHall | Sun | 55"
    )


def test_a_chart_gives_its_title_and_values() -> None:
    def build(slide: Any) -> None:
        data = CategoryChartData()
        data.categories = ["North", "South"]
        data.add_series("Visits", (120, 95))
        frame = slide.shapes.add_chart(
            XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(1), Inches(4), Inches(3), data
        )
        frame.chart.has_title = True
        frame.chart.chart_title.text_frame.text = "Visits by region"

    text = read(deck(build, layout=BLANK)).text
    assert text.split("\n")[:2] == ["Visits by region", "| North | South"]
    assert text.split("\n")[2].startswith("Visits | 120")


def changed(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return an archive with a part changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return buffer.getvalue()


def test_a_damaged_slide_is_named_and_the_rest_is_read() -> None:
    content = deck(*map(titled, ("one", "two", "three", "four")))
    document = read(changed(content, "ppt/slides/slide3.xml", lambda xml: xml[:200]))
    assert document.text == "one\n\ntwo\n\nfour"
    assert [one.name for one in document.places] == ["slide 1", "slide 2", "slide 4"]
    assert document.problems == ("slide 3 could not be read",)
    assert document.unread == pytest.approx(0.25)


def test_slides_left_when_the_time_is_up_are_named() -> None:
    document = load_pptx(deck(titled("one"), titled("two")), LoadOptions(deadline=0))
    assert (document.text, document.unread) == ("", 1.0)
    assert document.problems == ("slides 1–2 could not be read in time",)


def test_large_media_do_not_count_and_large_text_does() -> None:
    content = deck(titled("Film"))
    media = changed(content, "docProps/thumbnail.jpeg", lambda _: b"\0" * 3_000_000)
    assert load_pptx(media, LoadOptions(unpacked_bytes=1_000_000)).text == "Film"
    bomb = changed(content, "ppt/slides/slide1.xml", lambda xml: xml + b" " * 3_000_000)
    with pytest.raises(LoadError, match="unpacks to 3 MB"):
        load_pptx(bomb, LoadOptions(unpacked_bytes=1_000_000))
