"""A copy of an index that is damaged and put back, again and again."""

from __future__ import annotations

import os
from pathlib import Path

from ingest import IndexSettings

Files = dict[str, bytes]


class Copy:
    """A copy of an index that is damaged and put back again."""

    def __init__(self, settings: IndexSettings) -> None:
        self.settings = settings
        self._folder = settings.index
        self._known: dict[str, os.stat_result] = {}
        self.files = {name: path.read_bytes() for name, path in self._listing().items()}
        self.restore()

    def write(self, changed: Files) -> None:
        """Put the index back but for the files given."""
        self.restore()
        for name, content in changed.items():
            (self._folder / name).write_bytes(content)
            del self._known[name]

    def restore(self) -> None:
        """Put back what has changed."""
        listing = self._listing()
        for name in listing.keys() - self.files.keys():
            listing[name].unlink()
        for name, content in self.files.items():
            path, known = self._folder / name, self._known.get(name)
            if known is None or not path.exists() or _changed(path.stat(), known):
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
                self._known[name] = path.stat()

    def _listing(self) -> dict[str, Path]:
        paths = [path for path in sorted(self._folder.rglob("*")) if path.is_file()]
        return {str(path.relative_to(self._folder)): path for path in paths}


def _changed(now: os.stat_result, before: os.stat_result) -> bool:
    times = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)
    return times != (before.st_mtime_ns, before.st_ctime_ns, before.st_size, before.st_ino)
