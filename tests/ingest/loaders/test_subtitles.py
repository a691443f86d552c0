"""Subtitles are what is said; a place is the time at which a cue begins."""

from __future__ import annotations

import pytest

from ingest.loaders.load_options import LoadOptions
from ingest.loaders.subtitles import load_srt, load_vtt

SRT = """1
00:00:05,200 --> 00:00:07,000
<i>The ferry leaves</i>
at noon.

2
00:01:02,000 --> 00:01:04,000 X1:40 X2:600
{\\an8}Be there

3
01:00:03,500 --> 01:00:05,000
half an hour early.
"""
VTT = """WEBVTT - a talk

NOTE nobody says this

STYLE
::cue { color: red }

intro
00:05.000 --> 00:07.000 align:start
<v Ana Sá>Good morning &amp; <00:06.000><c.loud>welcome!</c>

01:02:03.000 --> 01:02:05.000
- Thanks.
"""
ROLLING = """WEBVTT

00:01.000 --> 00:02.000
so this is

00:02.000 --> 00:03.000
so this is
the old mill

00:03.000 --> 00:04.000
the old mill
and its wheel.
"""


@pytest.mark.parametrize(
    ("text", "said", "times"),
    [
        (
            SRT,
            "The ferry leaves at noon.\nBe there half an hour early.",
            {"00:00:05": "The", "00:01:02": "Be ", "01:00:03": "hal"},
        ),
        (SRT.replace("\n\n", "\n"), "The ferry leaves at noon.\nBe there half an hour early.", {}),
        (
            VTT,
            "Ana Sá: Good morning & welcome!\n- Thanks.",
            {"00:00:05": "Ana", "01:02:03": "- T"},
        ),
        (ROLLING, "so this is the old mill and its wheel.", {"00:00:01": "so ", "00:00:03": "and"}),
    ],
    ids=["srt", "srt without blank lines", "vtt", "rolling captions"],
)
def test_only_what_is_said_is_text(text: str, said: str, times: dict[str, str]) -> None:
    document = load_vtt(text.encode(), LoadOptions())
    assert document.text == said
    found = {place.name: document.text[place.start :][:3] for place in document.places}
    assert times.items() <= found.items()


def test_old_subtitles_are_decoded() -> None:
    content = "1\r\n00:00:01,000 --> 00:00:02,000\r\nNão é verdade, irmã?\r\n".encode("cp1252")
    document = load_srt(content, LoadOptions())
    assert document.text == "Não é verdade, irmã?"
    assert document.metadata == {"encoding": "Windows-1252 (guessed)"}
