"""Which documents a filter lets through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import translate

from ingest.index.records import DocumentRow


def meeting(rows: Iterable[tuple[int, DocumentRow]], conditions: Mapping[str, str]) -> list[int]:
    """Return the ids of the documents that meet every condition.

    ``source`` is a source, or a pattern with ``*``, ``?`` and ``[…]``, where ``*`` also takes
    slashes, and ``language`` a code; any other key is one of the metadata, whose text or JSON has
    to be equal.
    """
    rows = list(rows)
    wanted = {key: str(value) for key, value in conditions.items()}
    source = wanted.pop("source", "*")
    is_name = any(row.source == source for _, row in rows)
    pattern = re.compile(re.escape(source) + r"\Z" if is_name else translate(source))
    language = wanted.pop("language", None)
    return [
        document_id
        for document_id, row in rows
        if pattern.match(row.source)
        and language in (None, row.language)
        and all(_text(row.metadata.get(key)) == value for key, value in wanted.items())
    ]


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
