"""A quote is highlighted on its page: exactly its characters, wherever the page draws them."""

from __future__ import annotations

import ctypes
import io
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

import pypdf
import pypdfium2
import pytest
from PIL import Image, ImageChops
from pypdf.generic import RectangleObject
from pypdfium2 import raw
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from ingest import IndexSettings, PagePictures, open_index, sync_folder
from ingest.errors import LoadError, UsageError
from ingest.loaders import LoadOptions, load_document
from ingest.loaders.pdf_highlights import displayed, draw_page, quote_boxes
from ingest.loaders.pdf_pages import Box, PagePicture
from ingest.loaders.pdf_text import flat_page
from ingest.sync import page_pictures
from ingest.text.sentences import split_sentences
from ingest.types import Document

Cell = tuple[float, float, str]
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl"})
LINE_HYPHEN = 2  # as PDFium tells it
FINE = 1000  # device units for a point
HARBOUR = (
    "The harbour was dug by hand in eleven years and lost twice to storms before the second wall "
    "was built of granite from the hills behind the town, where the quarry is a lake today"
)
LIGHTHOUSE = (
    "A keeper lived in the lighthouse until the lamp was made electric, and his diary lists each "
    "ship that passed, the weather of the day and what he had caught or mended since morning"
)


def drawn(*pages: Sequence[Cell], **options: object) -> bytes:
    """Return a PDF whose pages draw texts at (x, y), in the given order."""
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1, **options)
    for page in pages:
        canvas.setFont("Vera", 10)
        for x, y, text in page:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def listed(*texts: str, x: float = 72.0, top: float = 760.0) -> list[Cell]:
    return [(x, top - 13 * i, text) for i, text in enumerate(texts)]


def edited(content: bytes, *, turn: int = 0, crop: Sequence[float] = ()) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    for page in writer.pages:
        if crop:
            page.cropbox = RectangleObject(crop)
        page.rotate(turn)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def page_span(document: Document, page: int) -> tuple[int, int]:
    starts = [place.start for place in document.places] + [len(document.text)]
    return starts[page - 1], starts[page]


def highlighted(
    content: bytes, quote: str, *, page: int = 1, occurrence: int = 0, **options: object
) -> PagePicture:
    """Draw a page with an occurrence of a quote in the text of the document."""
    load = LoadOptions(**options)  # type: ignore[arg-type]
    document = load_document("a.pdf", content, load)
    first, last = page_span(document, page)
    start = -1
    for _ in range(occurrence + 1):
        start = document.text.index(quote, start + 1)
    span = (max(at - first, 0) for at in (start, min(start + len(quote), last)))
    return draw_page(content, load.passwords, page, document.text[first:last], *span)


class Glyphs:
    """The characters of a page as PDFium has them, and their boxes on the page as it is shown."""

    def __init__(self, page: pypdfium2.PdfPage) -> None:
        self._page = page
        size = [round(side * FINE) for side in page.get_size()]
        self._device = (page, 0, 0, *size, 0)
        self._height = page.get_height()
        self.boxes: list[tuple[str, Box]] = []
        with closing(page.get_textpage()) as text:
            for index in range(text.count_chars()):
                code = raw.FPDFText_GetUnicode(text.raw, index)
                character = "-" if code == LINE_HYPHEN else chr(code).translate(LIGATURES)
                if character.isprintable() and not character.isspace():
                    left, bottom, right, top = text.get_charbox(index, loose=True)
                    box = self._shown(left, bottom), self._shown(right, top)
                    lefts, bottoms = zip(*box, strict=True)
                    shown = Box(min(lefts), min(bottoms), max(lefts), max(bottoms))
                    self.boxes.append((character, shown))

    def _shown(self, x: float, y: float) -> tuple[float, float]:
        across, down = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(*self._device, x, y, across, down)
        return across.value / FINE, self._height - down.value / FINE

    def inside(self, boxes: Sequence[Box]) -> list[tuple[str, Box]]:
        """Return the characters whose middle is in one of the boxes."""
        return [one for one in self.boxes if any(holds(box, middle(one[1])) for box in boxes)]


def glyphs(content: bytes, page: int = 1, password: str | None = None) -> Glyphs:
    with closing(pypdfium2.PdfDocument(content, password=password)) as file:
        return Glyphs(file[page - 1])


def middle(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 2, (box.bottom + box.top) / 2


def holds(box: Box, point: tuple[float, float]) -> bool:
    return box.left <= point[0] <= box.right and box.bottom <= point[1] <= box.top


def around(boxes: Sequence[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return Box(min(lefts), min(bottoms), max(rights), max(tops))


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.translate(LIGATURES)))


def spelled(found: Sequence[tuple[str, Box]]) -> str:
    return letters("".join(character for character, _ in found))


def check_exact(content: bytes, picture: PagePicture, quote: str, page: int = 1) -> None:
    """Check that the rectangles hold the quote's characters, and are as large as those."""
    found = glyphs(content, page).inside(picture.boxes)
    assert sorted(spelled(found)) == sorted(letters(quote))
    for box in picture.boxes:
        own = around([glyph for _, glyph in found if holds(box, middle(glyph))])
        assert box == pytest.approx(own, abs=0.01)


def check_pixels(picture: PagePicture) -> None:
    """Check that all of the rectangles is yellow or black, and nothing outside has a colour."""
    image = Image.open(io.BytesIO(picture.png))
    scale = image.width / picture.width
    outside = image.copy()
    for left, bottom, right, top in picture.boxes:
        area = (left * scale, (picture.height - top) * scale)
        area += (right * scale, (picture.height - bottom) * scale)
        inner = image.crop((int(area[0]) + 1, int(area[1]) + 1, int(area[2]), int(area[3])))
        red, _, blue = inner.split()
        most = red.point(lambda value: int(0.4 * value) + 2)
        assert ImageChops.subtract(blue, most).getextrema() == (0, 0)
        ink, ground = red.getextrema()
        assert (ink < 60, ground) == (True, 255)
        outer = (int(area[0]) - 1, int(area[1]) - 1, int(area[2]) + 2, int(area[3]) + 2)
        outside.paste((255, 255, 255), outer)
    red, green, blue = outside.split()
    assert ImageChops.difference(red, blue).getextrema() == (0, 0)
    assert ImageChops.difference(red, green).getextrema() == (0, 0)


def columns(*, by_row: bool) -> bytes:
    left = listed(*wrap(HARBOUR, 38), x=60, top=720)
    right = listed(*wrap(LIGHTHOUSE, 38), x=320, top=720)
    cells = [*left, *right]
    return drawn(sorted(cells, key=lambda cell: -cell[1]) if by_row else cells)


def price_table() -> bytes:
    parts = (
        ("Larch", "Spruce", "Alder", "Beech", "Rowan"),
        ("41", "88", "7", "88", "12"),
        ("€ 3.10", "€ 4.00", "€ 0.95", "€ 4.00", "€ 6.60"),
    )
    cells = [cell for i, one in enumerate(parts) for cell in listed(*one, x=60.0 + 120 * i)]
    return drawn(cells)


HYPHENATED = drawn(listed("The council keeps the old bridge and re-", "pairs it in May."))
SPECIAL = drawn(listed("A ﬁne ﬂute’s café in São João", "opens at 5 % – não é à toa."))
PLAIN = drawn(listed("A first line of text.", "A second line of text.", "A third one."))


@pytest.mark.parametrize(
    ("content", "quote", "lines"),
    [
        (columns(by_row=False), "before the second wall was built of granite", 2),
        (columns(by_row=True), "before the second wall was built of granite", 2),
        (columns(by_row=True), "keeper lived in the lighthouse until the lamp was made", 2),
        (price_table(), "Beech 88 € 4.00", 3),
        (HYPHENATED, "bridge and repairs\nit", 2),
        (SPECIAL, "fine flute’s café in São", 1),
        (SPECIAL, "João\nopens at 5 % – não é à", 2),
        (edited(PLAIN, turn=90), "second line", 1),
        (edited(PLAIN, turn=180), "second line of text.\nA third", 2),
        (edited(PLAIN, turn=270), "first line of text.\nA second", 2),
        (edited(PLAIN, crop=(60, 700, 300, 780)), "second line of", 1),
        (edited(PLAIN, crop=(60, 700, 300, 780), turn=90), "first line of", 1),
    ],
    ids=(
        "column by column,row by row,right column,table,hyphen,ligatures,accents,"
        "turned 90,turned 180,turned 270,cropped,cropped and turned"
    ).split(","),
)
def test_exactly_the_characters_of_the_quote_are_highlighted(
    content: bytes, quote: str, lines: int
) -> None:
    words = load_document("a.pdf", content).text
    quote = next(one for one in (quote, *spaced(quote)) if one in words)
    picture = highlighted(content, quote)
    assert len(picture.boxes) == lines
    check_exact(content, picture, quote)
    check_pixels(picture)


def test_light_words_on_a_dark_ground_stay_legible() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(300, 100))
    canvas.rect(0, 0, 300, 100, fill=1)
    canvas.setFillGray(1)
    canvas.drawString(20, 40, "White words on black.")
    canvas.save()
    picture = highlighted(buffer.getvalue(), "words")
    left, bottom, right, top = (2 * round(side) for side in picture.boxes[0])
    inner = Image.open(io.BytesIO(picture.png)).crop((left + 2, 202 - top, right - 2, 198 - bottom))
    (dark, light), _, (shade, _) = (band.getextrema() for band in inner.split())
    assert (dark, shade) == (90, 0)
    assert light == 255


def spaced(quote: str) -> Iterator[str]:
    """Yield the quote with a line break instead of each of its spaces, one by one."""
    for at, character in enumerate(quote):
        if character == " ":
            yield f"{quote[:at]}\n{quote[at + 1 :]}"


def test_the_second_of_two_equal_quotes_is_highlighted_where_it_stands() -> None:
    content = drawn(listed("The fee is 5.", "Nothing else.", "The fee is 5.", "The fee is 5."))
    heights = [
        highlighted(content, "The fee is 5.", occurrence=n).boxes[0].bottom for n in range(3)
    ]
    gaps = [above - below for above, below in pairwise(heights)]
    assert gaps == pytest.approx([26, 13], abs=0.01)


def test_an_equal_cell_of_another_row_is_not_highlighted() -> None:
    content = price_table()
    first, second = (highlighted(content, "88", occurrence=n).boxes for n in range(2))
    assert first[0].bottom - second[0].bottom == pytest.approx(26, abs=0.01)
    assert first[0].left == second[0].left


def test_a_quote_over_two_pages_has_its_part_on_each() -> None:
    content = drawn(
        [*listed("The mill stands", x=100), (100, 90, "by the")],
        [*listed("river that floods.", x=100), (100, 90, "Each spring.")],
    )
    for page, part in ((1, "by the"), (2, "river that")):
        picture = highlighted(content, "by the\nriver that", page=page)
        check_exact(content, picture, part, page)


def test_running_lines_that_were_left_out_do_not_shift_the_quote() -> None:
    pages = [
        [*listed("Annals of the mill", f"{'abcdef'[n]} tells of the mill."), (72.0, 40.0, f"{n}")]
        for n in range(6)
    ]
    content = drawn(*pages)
    picture = highlighted(content, "the mill", page=4, occurrence=4)
    (box,) = picture.boxes
    assert box.top < 760
    check_exact(content, picture, "the mill", 4)


def test_a_page_without_characters_is_a_picture_without_rectangles() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawInlineImage(Image.new("L", (40, 60), 200), 72, 72, 400, 600)
    canvas.save()
    picture = draw_page(buffer.getvalue(), (), 1, "Text as it was recognised.", 0, 10)
    assert picture.boxes == ()
    assert Image.open(io.BytesIO(picture.png)).size == (1191, 1684)


def test_a_file_with_another_text_has_no_rectangles() -> None:
    assert draw_page(PLAIN, (), 1, "A quite different text.", 2, 7).boxes == ()


def test_an_encrypted_file_needs_its_password() -> None:
    locked = drawn(listed("behind it"), encrypt=StandardEncryption("gate"))
    assert len(highlighted(locked, "behind", passwords=("wrong", "gate")).boxes) == 1
    with pytest.raises(LoadError, match="is encrypted: add its password to RAG_PASSWORDS"):
        draw_page(locked, ("wrong",), 1, "behind it", 0, 6)


@pytest.mark.parametrize(
    ("content", "page", "reason"),
    [
        (PLAIN, 2, "^has no page 2$"),
        (PLAIN, 0, "^has no page 0$"),
        (b"%PDF-1.7 and nothing", 1, "^is damaged or not really pdf$"),
        (PLAIN[:600], 1, "^is damaged or not really pdf$"),
    ],
)
def test_what_can_not_be_drawn_has_a_reason(content: bytes, page: int, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        draw_page(content, (), page, "A first", 0, 7)


@pytest.mark.parametrize("size", [(14_400, 14_400), (14_400, 3), (200, 14_000)])
def test_a_huge_page_is_drawn_small(size: tuple[int, int]) -> None:
    picture = draw_page(drawn([(10, 1, "Plan")], pagesize=size), (), 1, "Plan", 0, 4)
    assert (picture.width, picture.height) == size
    assert max(Image.open(io.BytesIO(picture.png)).size) == 2400


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> IndexSettings:
    folder = tmp_path_factory.mktemp("library")
    documents = folder / "documents"
    documents.mkdir()
    (documents / "plain.pdf").write_bytes(PLAIN)
    (documents / "slow.pdf").write_bytes(slow())
    settings = IndexSettings(documents=documents, index=folder / "index")
    assert sync_folder(settings).new == 2
    return settings


def slow() -> bytes:
    """Return a PDF that is read at once and takes very long to draw."""
    lines = " ".join(f"{n % 600} 0 m {n * 7 % 600} 800 l S" for n in range(100_000))
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(drawn(listed("A drawing of the dam."))))
    page = writer.pages[0]
    stream = pypdf.generic.DecodedStreamObject()
    stream.set_data(page.get_contents().get_data() + lines.encode())
    page[pypdf.generic.NameObject("/Contents")] = writer._add_object(stream)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_a_page_that_takes_too_long_costs_its_process_alone(
    library: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_pictures, "_SECONDS", 1)
    index = open_index(library)
    with closing(PagePictures(library)) as pictures:
        with pytest.raises(LoadError) as error:
            pictures.draw(index, "slow.pdf", 1, 0, 9)
        assert str(error.value) == (
            "page 1 of 'slow.pdf' is not shown: the file takes more than 1 seconds to read"
        )
        assert len(pictures.draw(index, "plain.pdf", 1, 2, 7).boxes) == 1


def test_the_process_is_kept_and_replaced_when_it_ends(library: IndexSettings) -> None:
    index = open_index(library)
    with closing(PagePictures(library)) as pictures:
        first = pictures.draw(index, "plain.pdf", 1, 2, 7)
        process = pictures._process
        assert process
        assert pictures.draw(index, "plain.pdf", 1, 2, 7) == first
        assert pictures._process is process
        process.kill()
        process._process.wait()
        assert pictures.draw(index, "plain.pdf", 1, 2, 7) == first
        assert pictures._process is not process
        process.close()
        assert first == draw_page(PLAIN, (), 1, index.document("plain.pdf").text, 2, 7)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("source", "page", "message"),
    [
        ("plain.pdf", 2, "'plain.pdf' has no page 2: it has 1"),
        ("other.pdf", 1, "the index holds no file 'other.pdf'"),
    ],
)
def test_a_page_that_does_not_exist_is_refused(
    library: IndexSettings, source: str, page: int, message: str
) -> None:
    with (
        closing(PagePictures(library)) as pictures,
        pytest.raises(UsageError, match=f"^{message}$"),
    ):
        pictures.draw(open_index(library), source, page, 0, 5)


PUBLIC = (
    "sec-10-q/documents/2023 Q1 AMZN.pdf",
    "mixed-fixtures/documents/paper-qa/pasa.pdf",
    "mixed-fixtures/documents/private-gpt/readers/file_multicolumn.pdf",
    "pypdf-resources/documents/GeoBase_NHNC1_Data_Model_UML_EN.pdf",
    "office/documents/contracts/sa-2024-011.pdf",
)


def test_sentences_of_public_files_are_spelled_by_the_characters_in_their_rectangles() -> None:
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    chance = random.Random(7)
    results = [
        is_right
        for name in PUBLIC
        for is_right in spelled_sentences(Path(os.environ["RAG_BENCH"], name), 60, chance)
    ]
    assert len(results) == 300
    assert sum(results) >= 0.99 * len(results)


def spelled_sentences(path: Path, count: int, chance: random.Random) -> Iterator[bool]:
    """Yield of random sentences of the first pages whether their rectangles hold them."""
    content = path.read_bytes()
    document = load_document(path.name, content)
    numbers = range(1, min(40, len(document.places)) + 1)
    chosen = Counter(chance.choices(chance.sample(numbers, min(len(numbers), 12)), k=count))
    with closing(pypdfium2.PdfDocument(content)) as file:
        for number, sentences in chosen.items():
            first, last = page_span(document, number)
            text = document.text[first:last]
            with flat_page(file, number - 1) as page:
                page_glyphs = Glyphs(page)
                for start, end in chance.choices(list(split_sentences(text)), k=sentences):
                    boxes = quote_boxes(page, text, start, end)
                    shown = page_glyphs.inside([displayed(page, box) for box in boxes])
                    yield sorted(spelled(shown)) == sorted(letters(text[start:end]))
