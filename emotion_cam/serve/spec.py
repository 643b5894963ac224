"""How to serve, as data. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

TOKEN_VARIABLE = "EMOTION_CAM_TOKEN"
"""The environment variable with a token of the user's own."""


@dataclass(frozen=True)
class ServeSpec:
    """Where to listen, who gets in, and how many.

    Attributes:
        host: The address to listen on. Beyond this machine's own, and with a host name, every visitor needs a token,
            which is part of the printed address.
        port: The port to listen on; 0 for any free one.
        host_name: A name by which browsers reach this machine, as in lab.example.org. Its addresses, its own name and
            localhost are known. May be repeated.
        certificate: A certificate file (PEM), to serve https: browsers give a page their webcam only over https or on
            localhost.
        key: The private key of the certificate (PEM), if it is not in the same file.
        pages: How many webcams may be recognized at a time; further ones are refused. By default, as many as get 25
            answers a second each.
        workers: How many pictures to recognize at a time. By default one for each core, at most 4.
        browser: Open the page in this machine's browser.

    Raises:
        ValueError: a value is out of range, or a key is given without a certificate.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    host_name: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    pages: int | None = None
    workers: int | None = None
    browser: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"`port` must be between 0 and 65535, not {self.port}.")
        for name, count in (("pages", self.pages), ("workers", self.workers)):
            if count is not None and count < 1:
                raise ValueError(f"`{name}` must be at least 1, not {count}.")
        if self.key is not None and self.certificate is None:
            raise ValueError("`key` needs `certificate`.")

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def needs_token(self) -> bool:
        """Whether visitors may come from elsewhere: from another machine, or by a name that others know."""
        return not self.is_private or bool(self.host_name)

    @property
    def worker_count(self) -> int:
        """How many pictures are recognized at a time."""
        return self.workers or min(4, os.cpu_count() or 1)
