"""Filters by source, type, language, date and metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import translate

from ingest.index.records import DocumentRow

Filter = Mapping[str, str]


def matching_documents(rows: Sequence[tuple[int, DocumentRow]], filter: Filter) -> list[int]:
    """Return the ids of the documents that match every key of the filter.

    ``source`` is a source, or a pattern with ``*``, ``?`` and ``[…]``, where ``*`` also matches
    slashes. ``language`` is a language code, and ``type`` a kind of file such as ``pdf``. ``since``
    and ``until`` are ISO 8601 dates: the document states one within them, both included. Any other
    key is a metadata key, whose value has to be equal, as text or as JSON.
    """
    wanted = {key: str(value) for key, value in filter.items()}
    since, until = wanted.pop("since", ""), wanted.pop("until", "")
    kind = wanted.pop("type", None)
    source = wanted.pop("source", "*")
    is_name = any(row.source == source for _, row in rows)
    pattern = re.compile(re.escape(source) + r"\Z" if is_name else translate(source))
    language = wanted.pop("language", None)
    return [
        document_id
        for document_id, row in rows
        if pattern.match(row.source)
        and language in (None, row.language)
        and kind in (None, row.type, row.metadata.get("type"))
        and _is_within(str(row.metadata.get("date", "")), since, until)
        and all(_text(row.metadata.get(key)) == value for key, value in wanted.items())
    ]


def _is_within(date: str, since: str, until: str) -> bool:
    if not (since or until):
        return True
    return bool(date) and since <= date and (not until or date[: len(until)] <= until)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
