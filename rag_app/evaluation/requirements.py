"""Check for optional packages before an evaluation, which may take minutes."""

from __future__ import annotations

from importlib.util import find_spec

from ingest import MissingExtraError

_EXTRA = "eval"


def check_requirements(*, report: bool = False) -> None:
    """Raise MissingExtraError unless the packages for metrics, and for plots, are installed."""
    _check("measuring answers", "ir_measures", "scipy")
    if report:
        _check("a report", "matplotlib")


def _check(what: str, *modules: str) -> None:
    if any(find_spec(module) is None for module in modules):
        raise MissingExtraError(what, _EXTRA)
