"""Which addresses may be reached, and through which proxy.

With ``offline = true`` only this machine's own addresses may be reached, and no model hub or trace
server elsewhere. This machine's own addresses are never reached through a proxy.
"""

from __future__ import annotations

import os
import ssl
import sys
from contextlib import suppress
from ipaddress import ip_address, ip_network
from os import environ
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

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

    An ``address`` of None means that it runs in this process. After the first call with
    ``offline``, this process can't reach the model hub.
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
    """Return the address to which the OpenAI client sends requests with this ``base_url``."""
    environment = os.environ.get("OPENAI_API_BASE") or os.environ.get("OPENAI_BASE_URL")
    return base_url or environment or OPENAI


def place_of(address: str) -> str:
    """Return the host and port of ``address``, without user name and password."""
    return urlsplit(address).netloc.rpartition("@")[2] or address


def trace_addresses() -> list[tuple[str, str]]:
    """Return each variable that enables LangChain's tracing, with the address of the traces."""
    endpoint = os.environ.get("LANGSMITH_ENDPOINT") or os.environ.get("LANGCHAIN_ENDPOINT")
    on = [name for name in _TRACING if os.environ.get(name, "").lower() in ("true", "1")]
    return [(name, endpoint or _LANGSMITH) for name in on]


def _forbid_the_hub() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    # The library reads the variable only once, on import.
    if constants := sys.modules.get("huggingface_hub.constants"):
        vars(constants)["HF_HUB_OFFLINE"] = True


def proxy_of(address: str) -> str | None:
    """Return the proxy for requests to ``address`` according to the environment, if any."""
    url = urlsplit(address)
    if not url.hostname or is_loopback(address) or _is_excepted(url.hostname):
        return None
    proxies = getproxies()
    found = environ.get("OPENAI_PROXY") or proxies.get(url.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def client_options(address: str) -> dict[str, Any]:
    """Return the arguments of an httpx client that reaches ``address`` by the same rules."""
    if is_loopback(address):
        # Without reading proxies from the environment: they may need packages.
        return {"trust_env": False, "verify": ssl.create_default_context()}
    if proxy := proxy_of(address):
        return {"proxy": proxy}
    return {"mounts": dict.fromkeys(("http://", "https://", "all://"))}


def proxy_problem(error: Exception) -> str:
    """Return what to do if a client can't be created because of its proxy."""
    if isinstance(error, ImportError):
        return "a SOCKS proxy needs a package: pip install socksio"
    return "the proxy can't be used: it has to start with http://, https:// or socks5://"


def _is_excepted(host: str) -> bool:
    return bool(proxy_bypass(host)) or any(
        _is_within(host, entry.strip()) for entry in getproxies().get("no", "").split(",")
    )


def _is_within(host: str, network: str) -> bool:
    with suppress(ValueError):
        return ip_address(host) in ip_network(network, strict=False)
    return False
