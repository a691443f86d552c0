"""Keys and passwords, which no message may repeat."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$")
_PROXY_NAME = re.compile(r"_proxy$", re.IGNORECASE)
_SHORTEST_SECRET = 6


def masked_line(text: str, model: object, longest: int) -> str:
    """Return ``text`` on one line of at most ``longest`` characters, without any key.

    A key is one of ``model``'s own or of the environment, or the password of a proxy there.
    """
    line = " ".join(text.split())
    for secret in _secrets(model):
        line = line.replace(secret, "***")
    # Only now: half of a key would not be found.
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _secrets(model: object) -> list[str]:
    own = [
        value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)
    ]
    around = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    proxies = [value for name, value in os.environ.items() if _PROXY_NAME.search(name)]
    passwords = [urlsplit(proxy).password or "" for proxy in proxies]
    passwords += [unquote(password) for password in passwords]
    found = {secret for secret in (*own, *around) if len(secret) >= _SHORTEST_SECRET}
    return sorted(found | {*passwords} - {""}, key=len, reverse=True)
