"""Addresses of streams, and what may be shown of them: everything but passwords."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote_plus, urlsplit

from emotion_cam.errors import SourceError

_SECRET = re.compile(
    "pas|pw|psw|secret|token|key$|auth|signature|cred|session|jwt|(^|[-_])(sign?|code|pin)$", re.IGNORECASE
)
"""What the names of secrets contain: password, passphrase, loginpas, pwd, access_token, apikey, X-Amz-Signature, …"""

_HIDDEN = "***"


def is_address(text: str) -> bool:
    """Whether a text is the address of a stream, and not a file or a camera."""
    return "://" in text


def refuse_broken_address(text: str) -> None:
    """Raise SourceError for an address without its slashes, which would be looked for as a file, and shown."""
    scheme = re.match(r"(https?|rtsps?|rtmps?|srt|udp|tcp|rtp|mms):(?!//)", text, re.IGNORECASE)
    if scheme and "@" in text:
        raise SourceError(f"An address needs two slashes, as in {scheme[1]}://host/path.")


def public_address(address: str) -> str:
    """An address without the user, the password and the values of secrets, for tables and messages.

    >>> public_address("rtsp://me:secret@camera.local:554/live?pwd=secret&channel=1")
    'rtsp://camera.local:554/live?pwd=***&channel=1'
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    rest = _without_user(rest)
    path, question, query = rest.partition("?")
    path = _masked_path(path)
    if not question and "#" not in path:
        return f"{scheme}://{path}"
    query, sharp, fragment = query.partition("#")
    return f"{scheme}://{path}{question}{_masked(query)}{sharp}{_masked(fragment)}"


def stem_of(address: str) -> str:
    """What names a stream in the name of a file: the last part of its path, or its host."""
    parts = urlsplit(public_address(address))
    return PurePosixPath(parts.path.replace(_HIDDEN, "")).stem or parts.netloc.partition(":")[0] or "stream"


def _without_user(rest: str) -> str:
    """What follows :// without user and password, which end at the last @ of the authority.

    A password may contain / ? and #, although it should not. So where the authority seems to end before the @, and
    what it has as a port cannot be one, or the @ stands in the path, everything up to the last @ is the password.
    """
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        host = rest[authority.rindex("@") + 1 :]
        # Without a host there, that @ belongs to the password too.
        return host.rpartition("@")[2] if host[:1] in "/?#" else host
    _, colon, port = authority.partition(":") if not authority.startswith("[") else ("", "", "")
    if not colon:
        return rest
    is_port = port.isdecimal() and int(port) < 65536
    searched = re.split("[?#]", rest, maxsplit=1)[0] if is_port else rest
    return rest[searched.rindex("@") + 1 :] if "@" in searched else rest


def _masked_path(path: str) -> str:
    """A path whose parts may be settings too, as in /user=admin_password=secret_channel=1."""
    return "/".join(_masked(part) if "=" in part else part for part in path.split("/"))


def _masked(settings: str) -> str:
    """Settings such as a=1&b=2 without the values of secrets."""
    return "".join(_masked_setting(part) for part in re.split("([&;,#])", settings))


def _masked_setting(setting: str) -> str:
    name, equals, value = setting.partition("=")
    plain = unquote_plus(value)
    names = unquote_plus(name), plain.rpartition("=")[0]  # a value may contain settings in turn
    is_secret = any(map(_SECRET.search, names)) or re.search("://[^/]*@", plain)
    return f"{name}={_HIDDEN}" if equals and value and is_secret else setting
