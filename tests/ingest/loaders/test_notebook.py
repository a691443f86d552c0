"""The cells of a notebook are places, with the text of their outputs."""

from __future__ import annotations

import json

import pytest

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.notebook import load_ipynb

NOTEBOOK = {
    "nbformat": 4,
    "cells": [
        {"cell_type": "markdown", "source": ["# Tides\n", "\n", "Measured at **Faro**."]},
        {"cell_type": "code", "source": "", "outputs": []},
        {
            "cell_type": "code",
            "source": ["high = 3.9\n", "high"],
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["reading\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "3.9", "image/png": ""}},
                {"output_type": "error", "ename": "KeyError", "evalue": "'low'"},
            ],
        },
        {"cell_type": "markdown", "source": "## Result\n\nThe tide was high."},
    ],
}  # fmt: skip


def test_cells_are_places_with_outputs_and_headings() -> None:
    document = load_ipynb(json.dumps(NOTEBOOK).encode(), LoadOptions())
    assert document.text == (
        "# Tides\n\nMeasured at **Faro**.\n\nhigh = 3.9\nhigh\n\nreading\n\n3.9\n\nKeyError: 'low'"
        "\n\n## Result\n\nThe tide was high."
    )
    starts = {place.name: document.text[place.start :][:6] for place in document.places}
    assert starts == {"cell 1": "# Tide", "cell 3": "high =", "cell 4": "## Res"}
    assert [(h.level, h.title) for h in document.headings] == [(1, "Tides"), (2, "Result")]
    assert document.text[document.headings[1].start :].startswith("## Result")
    assert document.metadata == {"title": "Tides"}


def test_notebooks_of_older_versions_are_read() -> None:
    cells = [{"cell_type": "code", "input": "1 + 1", "outputs": [{"text": ["2"]}]}]
    old = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]})
    assert load_ipynb(old.encode(), LoadOptions()).text == "1 + 1\n\n2"


@pytest.mark.parametrize(
    ("content", "reason"), [(b'{"cells": [', "line 1 is not JSON"), (b"[1]", "has no cells")]
)
def test_what_is_no_notebook_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load_ipynb(content, LoadOptions())


def test_cells_of_unexpected_shapes_are_left_out() -> None:
    cells = [None, {"source": 5}, {"source": ["a", 1], "outputs": {"data": 1}}]
    assert load_ipynb(json.dumps({"cells": cells}).encode(), LoadOptions()).text == "a1"
