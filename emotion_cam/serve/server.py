"""Opens what a server needs, listens, and runs until it is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import os
import secrets
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from emotion_cam.drawing.view import View
from emotion_cam.errors import ServeError
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.serve.app import make_app
from emotion_cam.serve.guard import Access, own_names
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.live import LiveSource
from emotion_cam.serve.service import Service
from emotion_cam.serve.spec import TOKEN_VARIABLE, ServeSpec
from emotion_cam.serve.workers import Workers
from emotion_cam.sources.spec import InputSpec

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger(__name__)

_GRACE = 1  # seconds that answers under way have when the server ends

_SWITCH_SECONDS = 0.0005  # in which a thread gets its turn; the usual 5 ms would add to the age of every answer

_NO_HTTP = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
"""The answer to what is not HTTP."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"


def serve(
    spec: ServeSpec,
    input: InputSpec,  # noqa: A002 - as the command line names it
    models: ModelSpec,
    view: View,
    on_ready: Callable[[str], None],
    limits: Limits = Limits(),
) -> None:
    """Serve until the process is interrupted.

    Args:
        spec: where and for whom.
        input: the server's own source; an empty one for none.
        models: what is recognized, and how.
        view: what is drawn of the server's own source, and how a page begins.
        on_ready: is called once with the address to open, which contains the token if the server made one.
        limits: what visitors may send.

    Raises:
        EmotionCamError: something cannot be opened.
        KeyboardInterrupt: when it ends after a signal.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    is_own_token = token is not None
    if token is None and spec.needs_token:
        token = secrets.token_urlsafe(24)
    context = _certificate(spec)
    listening = _listen(spec)
    with listening:
        port = listening.getsockname()[1]
        service = Service(
            models.open(),
            models,
            Workers(spec.worker_count, limits.waiting),
            view=view,
            limits=limits,
            most_pages=spec.pages,
        )
        if not input.is_empty:
            service.live = LiveSource(input.open(), input.open, service)
        access = Access(
            names=own_names(spec.host_name) if spec.needs_token else frozenset({"localhost"}),
            addresses=not spec.is_private,
            token=token,
            cookie=f"emotion_cam_{port}",
            secure=context is not None,
        )
        scheme = "http" if context is None else "https"
        address = f"{scheme}://{_shown_host(spec)}:{port}/"
        if token is not None and not is_own_token:
            address += f"?token={token}"
        server = Server(config_of(make_app(service, access), limits, context), service, lambda: on_ready(address))
        # What is loaded by now stays to the end. To search it for garbage would hold up answers, and the end.
        gc.freeze()
        sys.setswitchinterval(_SWITCH_SECONDS)
        with _stderr_for_python():
            server.run(sockets=[listening])


@contextlib.contextmanager
def _stderr_for_python() -> Iterator[None]:
    """Keep C libraries from standard error: some write there what is wrong with a damaged picture, and cannot be asked
    not to."""
    before = sys.stderr
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # there may be no standard error
            handle, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, handle)
            if isinstance(before, io.TextIOWrapper) and before.fileno() == 2:
                before.flush()
                copy = open(handle, "w", 1, before.encoding, before.errors, closefd=False)  # noqa: SIM115
                stack.callback(setattr, sys, "stderr", before)
                sys.stderr = stack.enter_context(copy)
            stack.callback(os.dup2, handle, 2)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        yield


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a message of uvicorn's is about the server, and not about a visitor who left or sent no text as text."""
    return not record.getMessage().startswith(("ASGI callable returned without completing", "Invalid UTF-8 sequence"))


def config_of(app: ASGIApp, limits: Limits, context: ssl.SSLContext | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # the answer says what is wrong with a form
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)  # addresses may hold a token
    config = uvicorn.Config(
        app,
        http=type("LimitedProtocol", (Protocol,), {"limits": limits}),
        ws=WebSocketsSansIOProtocol,
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=_GRACE,
        ws_max_size=limits.frame_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
    )
    if context is not None:
        config.load()
        config.ssl = context
    return config


def _certificate(spec: ServeSpec) -> ssl.SSLContext | None:
    if spec.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(spec.certificate, spec.key)
    except (OSError, ssl.SSLError) as error:
        raise ServeError(
            f"{spec.certificate} cannot be used as a certificate: {getattr(error, 'strerror', None) or error}; it must "
            "be a PEM file, with its private key inside or in `key`."
        ) from error
    return context


def _listen(spec: ServeSpec) -> socket.socket:
    """A socket that listens; visitors are answered later."""
    try:
        family, _, _, _, place = socket.getaddrinfo(spec.host, spec.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=128)
    except OSError as error:
        reason = str(error.strerror).partition(" (while ")[0]  # Python adds the address once more
        raise ServeError(
            f"The server cannot listen on {spec.host}, port {spec.port}: {reason}. Choose another `port` or `host`."
        ) from error


def _shown_host(spec: ServeSpec) -> str:
    """The host of the address to open: a name if one is given, and never “every address”."""
    if spec.host_name:
        return spec.host_name[0]
    if spec.host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{spec.host}]" if ":" in spec.host else spec.host


class Server(uvicorn.Server):
    """Says when it is ready, and lets go of endless answers when it ends."""

    def __init__(self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._service.live is not None:
            self._service.live.close()
        await asyncio.sleep(0.05)  # in which watchers get their close
        await super().shutdown(sockets)


class Protocol(H11Protocol):
    """HTTP with a limit of connections, and of the time until a request's headers are complete."""

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.limits.connections:
            transport.write(_FULL)
            transport.close()
        else:
            self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch_headers()

    def send_400_response(self, msg: str) -> None:
        """End a connection on which something came that is not HTTP. A request in work gets no answer."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_NO_HTTP)  # uvicorn's own answer has a body, with which h11 fails after a HEAD
        self.transport.close()

    def _watch_headers(self) -> None:
        """Run a timer while the headers of a request are awaited."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self.limits.header_seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
