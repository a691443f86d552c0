"""The text in a picture is recognised, page by page, in Portuguese and English."""

from __future__ import annotations

import io

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from rapidfuzz.distance import Levenshtein
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders import LoadOptions, load_document, ocr
from ingest.loaders.image import load_image

ENGLISH = (
    "The ferry leaves the northern pier at a quarter past seven.",
    "Bicycles travel free of charge, dogs need a ticket for 2.40.",
)
PORTUGUESE = (
    "A inscrição é feita até o dia 15 de março, na recepção do prédio.",
    "Não há devolução do valor pago após o início das aulas.",
)

needs_ocr = pytest.mark.skipif(bool(ocr.unavailable()), reason=ocr.unavailable())


def page(*texts: str, dpi: int = 150) -> Image.Image:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(420, 150))
    canvas.setFont("Times-Roman", 12)
    for i, text in enumerate(texts):
        canvas.drawString(30, 110 - 18 * i, text)
    canvas.save()
    with pypdfium2.PdfDocument(buffer.getvalue()) as file:
        return file[0].render(scale=dpi / 72, grayscale=True).to_pil()


def scanned(clean: Image.Image, tilt: float) -> Image.Image:
    tilted = clean.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=255)
    noise = np.random.default_rng(7).normal(0, 12, (clean.height, clean.width))
    return Image.fromarray(np.clip(np.asarray(tilted) + noise, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def one_line(text: str) -> str:
    return " ".join(text.split())


@needs_ocr
@pytest.mark.parametrize("kind", ["JPEG", "BMP", "GIF", "WEBP"])
def test_the_text_of_a_picture_is_read(kind: str) -> None:
    document = load_image(encoded(page(*ENGLISH), kind), LoadOptions())
    assert one_line(document.text) == " ".join(ENGLISH)
    assert document.metadata == {"ocr": "page 1"}


@needs_ocr
@pytest.mark.parametrize("texts", [ENGLISH, PORTUGUESE], ids=["English", "Portuguese"])
def test_a_noisy_tilted_scan_is_read(texts: tuple[str, ...]) -> None:
    read = load_image(encoded(scanned(page(*texts), 1.5), "PNG"), LoadOptions()).text
    wanted = " ".join(texts)
    assert Levenshtein.distance(wanted, one_line(read)) <= 0.01 * len(wanted)


@needs_ocr
def test_each_page_of_a_tiff_is_a_place() -> None:
    others = [page(PORTUGUESE[0]), page(ENGLISH[1])]
    content = encoded(page(ENGLISH[0]), "TIFF", save_all=True, append_images=others)
    document = load_image(content, LoadOptions())
    assert [place.name for place in document.places] == ["page 1", "page 2", "page 3"]
    assert document.text[document.places[1].start :].startswith("A inscrição")
    assert document.metadata == {"ocr": "pages 1–3"}


@needs_ocr
def test_letters_on_a_clear_ground_are_read() -> None:
    grey = page(ENGLISH[0])
    clear = Image.merge("LA", (Image.new("L", grey.size, 0), grey.point(lambda v: 255 - v)))
    document = load_image(encoded(clear, "PNG"), LoadOptions())
    assert one_line(document.text) == ENGLISH[0]


@needs_ocr
def test_the_scanned_pages_of_a_pdf_are_read_and_marked() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, 700, "The signed annex follows.")
    for text in (ENGLISH[0], PORTUGUESE[1]):
        canvas.showPage()
        canvas.drawInlineImage(page(text, dpi=200), 60, 500, 420, 150)
    canvas.save()
    document = load_document("a.pdf", buffer.getvalue())
    first, second, third = (place.start for place in document.places)
    assert document.text[first:second].strip() == "The signed annex follows."
    assert document.text[second:third].strip() == ENGLISH[0]
    assert document.text[third:].strip() == PORTUGUESE[1]
    assert document.metadata["ocr"] == "pages 2–3"
    assert document.problems == ()


@needs_ocr
def test_pages_after_the_deadline_are_named() -> None:
    content = encoded(page(ENGLISH[0]), "TIFF", save_all=True, append_images=[page(ENGLISH[1])])
    document = load_image(content, LoadOptions(deadline=0.0))
    assert document.problems == ("pages 1–2 of 2 were not read within the time limit",)
    assert document.unread == 1.0


@needs_ocr
def test_a_picture_of_too_many_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.loaders.image._MOST_PIXELS", 10_000)
    content = encoded(Image.new("1", (200, 51)), "PNG")
    with pytest.raises(LoadError, match=r"^has more than 100 million pixels$"):
        load_image(content, LoadOptions())


def test_without_the_extra_a_picture_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.loaders.image.unavailable", lambda: "needs the extra 'ocr'")
    with pytest.raises(UnsupportedError, match=r"^is a picture, and needs the extra 'ocr'$"):
        load_image(encoded(page("x"), "PNG"), LoadOptions())


def test_missing_languages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda name: name)
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    reason = ocr.unavailable.__wrapped__()
    assert reason.startswith("text recognition has no data for por and eng: install the packages ")
    assert "tesseract-ocr-por tesseract-ocr-eng" in reason
