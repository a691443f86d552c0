"""Subtitles: what is said, with the time of each cue as its place."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ingest.loaders.encodings import decode_noted
from ingest.loaders.load_options import LoadOptions
from ingest.types import Document, Place

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}"
_TIMING = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*(?:\d+:)?\d+:\d+[.,]\d+.*")
_SPEAKER = re.compile(r"<v(?:\.[^\s>]*)?\s+([^<>]+)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")
_ENDS = re.compile(r"""[.!?…:;♪]["'”’»)\]]*$""")


def load_srt(content: bytes, options: LoadOptions) -> Document:
    """Return the text of SubRip subtitles; a cue that ends a sentence ends a line."""
    decoded = decode_noted(content)
    parts: list[str] = []
    places: list[Place] = []
    offset = 0
    for time, said in _cues(decoded.text):
        if parts:
            gap = "\n" if _ENDS.search(parts[-1]) else " "
            parts.append(gap)
            offset += len(gap)
        places.append(Place(offset, time))
        parts.append(said)
        offset += len(said)
    metadata, problems = decoded.metadata, decoded.problems
    return Document("".join(parts), tuple(places), metadata=metadata, problems=problems)


def load_vtt(content: bytes, options: LoadOptions) -> Document:
    """Return the text of WebVTT subtitles; see :func:`load_srt`."""
    return load_srt(content, options)


def _cues(text: str) -> Iterator[tuple[str, str]]:
    """Yield the time at which each cue begins, and what is said; not what was said just before."""
    lines = [line.strip() for line in text.split("\n")]
    at, before = 0, ""
    while at < len(lines):
        timing = _TIMING.fullmatch(lines[at])
        at += 1
        if not timing:
            continue
        end = _end(lines, at)
        said = list(filter(None, map(_plain, lines[at:end])))
        at = end
        # Rolling captions repeat the line above.
        fresh = said[1:] if said and said[0] == before else said
        before = said[-1] if said else before
        if fresh:
            hours, minutes, seconds = (int(part or 0) for part in timing.groups())
            yield f"{hours:02}:{minutes:02}:{seconds:02}", " ".join(fresh)


def _end(lines: list[str], start: int) -> int:
    """Return where the text of a cue ends: at an empty line, or at the next cue's number."""
    end = start
    while end < len(lines) and lines[end] and not _TIMING.fullmatch(lines[end]):
        end += 1
    is_number = start < end < len(lines) and lines[end] and lines[end - 1].isdecimal()
    return end - 1 if is_number else end


def _plain(line: str) -> str:
    """Return a line without tags, after its speaker if one is named."""
    return " ".join(html.unescape(_TAG.sub("", _SPEAKER.sub(r"\1: ", line))).split())
