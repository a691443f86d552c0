"""``rag config``."""

from __future__ import annotations

from dataclasses import asdict, replace

from rag_app.cli.options import AsJson, Index, Quiet, last_index
from rag_app.cli.output import note, print_json, printable


def config(index: Index = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show all settings and their origins, with keys masked."""
    from rag_app.settings import describe_settings, load_settings, misspelled_settings

    rows = describe_settings(index=index)
    if last := last_index(load_settings(index=index)):
        rows = [
            replace(row, value=str(last), origin="last 'rag index'") if row.name == "index" else row
            for row in rows
        ]
    for sentence in misspelled_settings():
        note(f"note: {sentence}", quiet)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    names = max(len(row.name) for row in rows)
    values = max(len(row.value) for row in rows)
    for row in rows:
        print(printable(f"{row.name:{names}}  {row.value:{values}}  {row.origin}"))
