"""Which proxy a request goes through; this machine's own addresses never go through one."""

from __future__ import annotations

import ssl
from contextlib import suppress
from ipaddress import ip_address, ip_network
from os import environ
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ingest.offline import is_loopback


def proxy_of(address: str) -> str | None:
    """Return the proxy that requests to ``address`` go through, as the environment says."""
    url = urlsplit(address)
    if not url.hostname or is_loopback(address) or _is_excepted(url.hostname):
        return None
    proxies = getproxies()
    found = environ.get("OPENAI_PROXY") or proxies.get(url.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def client_options(address: str) -> dict[str, Any]:
    """Return the arguments with which a client of httpx reaches ``address`` by the same rules."""
    if is_loopback(address):
        # What the environment says of proxies is not even read: it may need packages.
        return {"trust_env": False, "verify": ssl.create_default_context()}
    if proxy := proxy_of(address):
        return {"proxy": proxy}
    return {"mounts": dict.fromkeys(("http://", "https://", "all://"))}


def proxy_problem(error: Exception) -> str:
    """Return what to do where a client can't be made because of its proxy."""
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
