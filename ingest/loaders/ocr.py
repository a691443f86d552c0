"""Read the text in pictures of pages with Tesseract, in Portuguese and English."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import UnsupportedError, install_command

if TYPE_CHECKING:
    from PIL.Image import Image

# Pixels of the longer side of a picture, at most: an A3 page at 300 dpi.
LONGEST_SIDE = 5000
_LANGUAGES = ("por", "eng")
_DEBIAN = Path("/usr/share/tesseract-ocr")
# Of 100: what is read with less are shapes in a picture. Chosen by hand.
_LEAST_CONFIDENCE = 40
_LINE_END = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_])")
_LONGEST_WAIT = 2**31 - 1  # milliseconds


class PageReader(AbstractContextManager["PageReader"]):
    """A loaded Tesseract; raises UnsupportedError with what to install if there is none."""

    def __init__(self) -> None:
        if reason := unavailable():
            raise UnsupportedError(reason)
        # More threads than one make Tesseract slower, and each worker reads its own file.
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        import tesserocr

        self._tesseract = tesserocr.PyTessBaseAPI(
            path=str(_tessdata()), lang="+".join(_LANGUAGES), oem=tesserocr.OEM.LSTM_ONLY
        )

    def __exit__(self, *exception: object) -> None:
        self._tesseract.End()

    def read(self, image: Image, dpi: float, seconds: float = inf) -> str:
        """Return the text of a picture in shades of grey, what there is after so many seconds.

        A hyphen that cuts a word at a line end is U+0002, and the rest of the word follows.
        """
        self._tesseract.SetImage(image)
        self._tesseract.SetSourceResolution(round(dpi))
        self._tesseract.Recognize(int(min(max(seconds * 1000, 1), _LONGEST_WAIT)))
        if self._tesseract.MeanTextConf() < _LEAST_CONFIDENCE:
            return ""
        return _LINE_END.sub("\x02", str(self._tesseract.GetUTF8Text())).rstrip()


@cache
def unavailable() -> str:
    """Return why no text can be recognised, with the command that changes it; empty if it can."""
    if not (find_spec("tesserocr") and find_spec("PIL")):
        return f"text recognition needs the extra 'ocr': {install_command('ocr')}"
    missing = [name for name in _LANGUAGES if not (_tessdata() / f"{name}.traineddata").is_file()]
    if missing:
        packages = " ".join(f"tesseract-ocr-{name}" for name in missing)
        return (
            f"text recognition has no data for {' and '.join(missing)}: install the packages "
            f"{packages}, or set TESSDATA_PREFIX to a folder with {missing[0]}.traineddata"
        )
    return ""


def _tessdata() -> Path:
    """Return the folder of the trained data: that in the environment, else Debian's."""
    if prefix := os.environ.get("TESSDATA_PREFIX"):
        return Path(prefix)
    return max(_DEBIAN.glob("*/tessdata"), default=_DEBIAN)
