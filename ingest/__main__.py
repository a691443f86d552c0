"""``python -m ingest``: sync the index with the folder, as ``rag index`` does."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from ingest import IndexSettings, RagError, SyncReport, sync_folder
from ingest.text.printable import printable_line


def main() -> int:
    """Sync and print the report; return the exit code."""
    arguments = _parser().parse_args()
    given = {"documents": arguments.folder, "index": arguments.index}
    try:
        settings = IndexSettings(**{name: path for name, path in given.items() if path})
        report = sync_folder(settings, dry_run=arguments.dry_run, rebuild=arguments.rebuild)
    except ValidationError as error:
        print(f"error: a setting can't be used: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: committed changes are kept, run it again to continue", file=sys.stderr)
        return 130
    except RagError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    _print(report)
    return 1 if report.newly_failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m ingest", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of the documents")
    parser.add_argument("--index", type=Path, help="folder of the index")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    parser.add_argument("--rebuild", action="store_true", help="make a new index beside the old")
    return parser


def _print(report: SyncReport) -> None:
    names = ("new", "changed", "renamed", "deleted", "unchanged", "chunks", "embedded", "reused")
    print(", ".join(f"{getattr(report, name)} {name}" for name in names))
    for problem in (*report.failed, *report.partial, *report.ignored):
        print(printable_line(f"{problem.source}: {problem.reason}"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
