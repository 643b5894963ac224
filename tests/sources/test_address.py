"""What is shown of an address."""

from __future__ import annotations

import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sinks.spec import OutputSpec
from emotion_cam.sources import open_source
from emotion_cam.sources.address import public_address, stem_of
from emotion_cam.sources.devices import find_camera

SHOWN = {
    "rtsp://host/live": "rtsp://host/live",
    "http://host:8080/v?email=me@example.org": "http://host:8080/v?email=me@example.org",
    "udp://@239.0.0.1:1234": "udp://239.0.0.1:1234",
    "http://host#part": "http://host#part",
    "http://host/a?codec=h264&design=1&channel=2": "http://host/a?codec=h264&design=1&channel=2",
    "http://user:secret@host/": "http://host/",
    "http://user:secret@secret@host/": "http://host/",
    "http://secret@host/": "http://host/",
    "rtsp://user:sec/secret@host/live": "rtsp://host/live",
    "rtsp://user:12/secret@host:554/live": "rtsp://host:554/live",
    "rtsp://user:sec?secret@host/live": "rtsp://host/live",
    "http://user:?secret@host/": "http://host/",
    "http://user:#secret@host/": "http://host/",
    "http://user:@/secret@host": "http://host",
    "rtsp://user:sec#secret@host/live": "rtsp://host/live",
    "rtsp://user:secret@[::1]:554/live": "rtsp://[::1]:554/live",
    "http://[::1]:80/a@b": "http://[::1]:80/a@b",
    "http://host/v?a=1&pwd=secret&b=2": "http://host/v?a=1&pwd=***&b=2",
    "http://host/v?Password=secret": "http://host/v?Password=***",
    "http://host/v?p%61ssword=secret": "http://host/v?p%61ssword=***",
    "http://host/cgi?loginuse=me&loginpas=secret": "http://host/cgi?loginuse=me&loginpas=***",
    "http://host/v?access_token=secret;x=1": "http://host/v?access_token=***;x=1",
    "http://host/v?apikey=secret": "http://host/v?apikey=***",
    "http://host/a.m3u8?X-Amz-Signature=secret": "http://host/a.m3u8?X-Amz-Signature=***",
    "http://host/v?x=1#token=secret": "http://host/v?x=1#token=***",
    "http://host/v?url=rtsp%3A%2F%2Fme%3Asecret%40b": "http://host/v?url=***",
    "srt://host:9000?passphrase=secret&mode=caller": "srt://host:9000?passphrase=***&mode=caller",
    "rtsp://host/user=me_password=secret_channel=1.sdp?real_stream": "rtsp://host/user=***?real_stream",
}
"""By address: what is shown of it."""


@pytest.mark.parametrize("address", SHOWN)
def test_no_secret_is_shown(address: str) -> None:
    assert public_address(address) == SHOWN[address]
    assert public_address(public_address(address)) == SHOWN[address]
    assert "secret" not in stem_of(address)


@pytest.mark.parametrize(
    ("address", "stem"),
    [
        ("http://host/live.mjpg?pwd=secret", "live"),
        ("rtsp://me:secret@host:554/", "host"),
        ("http://host/", "host"),
        ("rtsp://host/cam/1", "1"),
    ],
)
def test_an_output_is_named_after_a_stream_without_its_password(address: str, stem: str) -> None:
    (path,) = OutputSpec(out=("{name}.csv",)).named_after(address)  # type: ignore[arg-type]
    assert str(path) == f"{stem}.csv"


@pytest.mark.parametrize("given", ["rtsp:/me:secret@host/live", "HTTP:me:secret@host", "rtsp:me:secret@host"])
def test_an_address_without_slashes_is_refused_and_not_shown(given: str) -> None:
    for kind in ("camera", "video"):
        with pytest.raises(SourceError, match=r"^An address needs two slashes, as in \w+://host/path\.$"):
            open_source(**{kind: given})  # type: ignore[arg-type]


def test_a_camera_that_is_an_address_without_its_scheme_is_not_shown() -> None:
    with pytest.raises(SourceError, match="“host” is not the number, name or path") as error:
        find_camera("me:secret@host")
    assert "secret" not in str(error.value)
