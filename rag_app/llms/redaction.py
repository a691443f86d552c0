"""Mask keys and passwords in messages."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$")
_PROXY_NAME = re.compile(r"_proxy$", re.IGNORECASE)
_MIN_SECRET = 6  # characters, chosen by hand: masking shorter values would garble messages


def masked_line(text: str, model: object, longest: int) -> str:
    """Return ``text`` on one line of at most ``longest`` characters, with keys masked.

    Keys are those of ``model``, those in the environment, and passwords of proxies there.
    """
    line = " ".join(text.split())
    for secret in _secrets(model):
        line = line.replace(secret, "***")
    # Only after masking: a truncated key would not be found.
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _secrets(model: object) -> list[str]:
    own = [
        value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)
    ]
    around = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    proxies = [value for name, value in os.environ.items() if _PROXY_NAME.search(name)]
    passwords = [urlsplit(proxy).password or "" for proxy in proxies]
    passwords += [unquote(password) for password in passwords]
    found = {secret for secret in (*own, *around) if len(secret) >= _MIN_SECRET}
    return sorted(found | {*passwords} - {""}, key=len, reverse=True)
