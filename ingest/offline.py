"""``offline = true``: no address but this machine's own, no model hub, no traces elsewhere."""

from __future__ import annotations

import os
import sys
from ipaddress import ip_address
from urllib.parse import urlsplit

from ingest.errors import UsageError
from ingest.settings import IndexSettings

OPENAI = "https://api.openai.com/v1"
_LANGSMITH = "https://api.smith.langchain.com"
_TRACING = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING",
    "LANGCHAIN_TRACING_V2",
)


def keep_offline(settings: IndexSettings, what: str, address: str | None) -> None:
    """Raise UsageError if ``offline`` is set and ``what`` would send text off this machine.

    An ``address`` of None means that it runs in this process. From the first call with
    ``offline`` on, nothing in this process can ask the hub of models.
    """
    if not settings.offline:
        return
    _forbid_the_hub()
    for sender, place in ((what, address), *trace_addresses()):
        if place is not None and not is_loopback(place):
            raise UsageError(
                f"{sender} sends text to {place_of(place)}, which offline = true forbids: "
                "use a model on this machine, or set offline = false (RAG_OFFLINE)"
            )


def is_loopback(address: str) -> bool:
    """Return whether the address is this machine's own."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def openai_address(base_url: str | None) -> str:
    """Return where the OpenAI client sends its requests when ``base_url`` is set so."""
    environment = os.environ.get("OPENAI_API_BASE") or os.environ.get("OPENAI_BASE_URL")
    return base_url or environment or OPENAI


def place_of(address: str) -> str:
    """Return host and port of ``address``, without the name and password before them."""
    return urlsplit(address).netloc.rpartition("@")[2] or address


def trace_addresses() -> list[tuple[str, str]]:
    """Return what turns LangChain's tracing on, with the address that is told every question."""
    endpoint = os.environ.get("LANGSMITH_ENDPOINT") or os.environ.get("LANGCHAIN_ENDPOINT")
    on = [name for name in _TRACING if os.environ.get(name, "").lower() in ("true", "1")]
    return [(name, endpoint or _LANGSMITH) for name in on]


def _forbid_the_hub() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    # The library reads the variable once, when it is imported.
    if constants := sys.modules.get("huggingface_hub.constants"):
        vars(constants)["HF_HUB_OFFLINE"] = True
