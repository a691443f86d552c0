"""Which version of the app this is."""

from __future__ import annotations


def installed_version() -> str:
    """Return the name of the app with its version, if it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"rag-app {version('rag-app')}"
    except PackageNotFoundError:
        return "rag-app from a folder that is not installed"
