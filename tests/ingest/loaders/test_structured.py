"""JSON, YAML, XML and source code stay the lines of their file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.loaders.load_options import LoadOptions
from ingest.loaders.structured import load_json, load_jsonl, load_xml, load_yaml
from ingest.loaders.text import load_code
from ingest.types import Document

Load = Callable[[bytes, LoadOptions], Document]


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (load_json, '{\n  "sítio": "Faro",\n  "n": 1\n}\n'),
        (load_jsonl, '{"a": 1}\n{"a": 2}\n'),
        (load_yaml, "a:\n  - b # não\n"),
        (load_xml, "<a>\n  <b>x &amp; y</b>\n</a>\n"),
        (load_code, "def f():\n\treturn 1\n"),
    ],
)
def test_the_text_is_the_file_and_its_lines_are_counted(load: Load, text: str) -> None:
    document = load(text.encode(), LoadOptions())
    assert document.text == text
    second = text.index("\n") + 1
    assert document.places_between(second, second + 1)[0].location == "line 2"


@pytest.mark.parametrize(
    ("load", "text", "shown"),
    [
        (load_json, r'"S\u00e3o \ud83d\ude00"', '"São 😀"'),
        (load_json, r'"a\u000ab \u0022 \\u00e3 \ud83d"', r'"a\u000ab \u0022 \\u00e3 \ud83d"'),
        (load_yaml, r'a: "caf\u00E9"', 'a: "café"'),
        (load_xml, "S&#227;o &#xE9; &#60; &#38; &#1114112;", "São é &#60; &#38; &#1114112;"),
    ],
)  # fmt: skip
def test_escaped_letters_are_letters_and_other_escapes_stay(
    load: Load, text: str, shown: str
) -> None:
    assert load(text.encode(), LoadOptions()).text == shown


def test_xml_is_decoded_as_it_declares_and_expands_no_entity() -> None:
    text = '<?xml version="1.0" encoding="koi8-r"?><!DOCTYPE a [<!ENTITY b "x">]><a>мир &b;</a>'
    assert load_xml(text.encode("koi8-r"), LoadOptions()).text == text
