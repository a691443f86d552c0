"""Pictures of text: PNG, JPEG, TIFF, BMP, GIF and WEBP, read by OCR."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.ocr import LONGEST_SIDE, PageReader, unavailable
from ingest.loaders.pdf_pages import Line
from ingest.loaders.pdf_words import tidy
from ingest.loaders.ranges import numbered
from ingest.types import Document, Place

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
_PAGE_BREAK = "\n"
# Chosen by hand.
_MOST_PIXELS = 100_000_000
_TOO_LARGE = "has more than 100 million pixels"
_MOST_PAGES = 1000
# Letters in a smaller picture, such as that of a screen, are too small for Tesseract.
_SMALL_SIDE = 1500
_PAGE_INCHES = 11.0
_DATE_TIME = 0x0132


def load_image(content: bytes, options: LoadOptions) -> Document:
    """Return the text recognised in a picture, page by page if it is a TIFF.

    Raises:
        UnsupportedError: Without Tesseract, or if there is no text.
        LoadError: If it is too large or damaged.
    """
    if reason := unavailable():
        raise UnsupportedError(f"is a picture, and {reason}")
    with _open(content) as image, PageReader() as reader:
        count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        changed = str(image.getexif().get(_DATE_TIME, "")).replace(":", "-")
        pages = list(_pages(image, min(count, _MOST_PAGES), reader, options))
    starts = list(accumulate((len(page) + len(_PAGE_BREAK) for page in pages), initial=0))[:-1]
    if not any(pages) and len(pages) == count:
        raise UnsupportedError("is a picture in which no text was recognised")
    recognised = numbered("page", (n for n, page in enumerate(pages, 1) if page), most=None)
    late = numbered("page", (), [(len(pages) + 1, count)] if len(pages) < count else ())
    were = "were" if count - len(pages) > 1 else "was"
    return Document(
        _PAGE_BREAK.join(pages),
        places=tuple(Place(at, f"page {n}") for n, at in enumerate(starts, 1) if count > 1),
        metadata=stated("", changed) | ({"ocr": recognised} if recognised else {}),
        problems=(f"{late} of {count} {were} not read within the time limit",) if late else (),
        unread=(count - len(pages)) / count,
    )


def _open(content: bytes) -> Image:
    from PIL import Image as images
    from PIL import UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", images.DecompressionBombWarning)
        try:
            image = images.open(io.BytesIO(content), formats=_FORMATS)
        except images.DecompressionBombError as error:
            raise LoadError(_TOO_LARGE) from error
        except UnidentifiedImageError as error:
            raise LoadError("is damaged or not really a picture") from error
    return image


def _pages(image: Image, count: int, reader: PageReader, options: LoadOptions) -> Iterator[str]:
    for number in range(count):
        image.seek(number)
        page = _readable(image)
        text = reader.read(page, max(page.size) / _PAGE_INCHES, options.deadline - time.monotonic())
        if options.expired:
            return
        yield "\n".join(line.text for line in tidy([Line(line) for line in text.split("\n")]))


def _readable(image: Image) -> Image:
    """Return a picture upright, in shades of grey on white and large enough to read."""
    from PIL import Image as images
    from PIL.ImageOps import exif_transpose

    if image.width * image.height > _MOST_PIXELS:
        raise LoadError(_TOO_LARGE)
    grey = _on_white(exif_transpose(image)).convert("L")
    longest = max(grey.size)
    if _SMALL_SIDE <= longest <= LONGEST_SIDE:
        return grey
    scale = 2 if longest < _SMALL_SIDE else LONGEST_SIDE / longest
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, images.Resampling.BICUBIC)


def _on_white(image: Image) -> Image:
    from PIL import Image as images

    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 256)
    if not image.has_transparency_data:
        return image
    clear = image.convert("RGBA")
    white = images.new("RGBA", clear.size, "white")
    white.alpha_composite(clear)
    return white
