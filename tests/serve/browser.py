"""Debian's Chromium, headless, with a pretend webcam that shows a clip; driven by Playwright."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from emotion_cam.result import Result
from emotion_cam.sinks.video import VideoSink
from emotion_cam.types import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright, WebSocket

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ROOT = Path(__file__).parents[2]
MODULES = Path(__file__).parent / "node_modules"
SIZE = {"width": 1280, "height": 900}

sys.path.insert(0, str(ROOT / "tools"))

from portrait import FPS, moving_frames  # noqa: E402


def sync_playwright() -> Any:
    """Playwright, or skip the test."""
    module = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Chromium")
    return module.sync_playwright()


def write_clip(path: Path) -> Path:
    """The portrait, moving at half its speed, as the pretend webcam takes it: JPEG files one after the other.

    A face that moves faster is lost on a slow machine, which follows it in a few frames a second.
    """
    with path.open("wb") as file:
        for frame in moving_frames():
            file.write(2 * cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())
    return path


def write_video(path: Path, seconds: float) -> Path:
    """The beginning of the moving portrait as a video."""
    with VideoSink(path, fps=FPS) as sink:
        for frame in moving_frames():
            if frame.time >= seconds:
                break
            sink.write(Result(frame, ()))
    return path


def launch(playwright: Playwright, clip: Path) -> Browser:
    """Chromium with the clip as its webcam; it talks to nobody."""
    return playwright.chromium.launch(
        executable_path=CHROMIUM,
        headless=True,
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={clip}",
        ],
    )


class Tab:
    """A page of a context of its own.

    Attributes:
        page: Playwright's page.
        errors: what the page wrote to the console as errors, and its exceptions.
        results: the results that the server sent, newest last.
        sent: how many frames the page sent.
        pictures: how many pictures of its own source the server sent.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.results: list[dict[str, Any]] = []
        self.sent = self.pictures = 0
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, payload: bytes | str) -> None:
        self.sent += isinstance(payload, bytes)

    def _received(self, payload: bytes | str) -> None:
        self.pictures += isinstance(payload, bytes)
        if isinstance(payload, str) and '"type":"result"' in payload[:20]:
            self.results.append(json.loads(payload))

    def open(self, address: str) -> Tab:
        self.page.goto(address)
        if self.page.query_selector("#tools"):
            self.page.wait_for_selector("#tools button")
        return self

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Let the page run until something holds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"It did not happen in {seconds} seconds; the page says: {self.problem!r} {self.errors}")

    def wait_for_results(self, count: int = 5) -> None:
        """Wait for further results."""
        start = len(self.results)
        self.wait_for(lambda: len(self.results) >= start + count)

    def wait_for_face(self) -> None:
        """Wait until the newest result has a face."""
        self.wait_for(lambda: self.results[-1]["faces"])

    def pause(self) -> None:
        """Pause the webcam, and wait until every frame that was sent has its answer."""
        self.page.keyboard.press(" ")
        calm = 0
        while calm < 10:
            self.page.wait_for_timeout(50)
            calm = calm + 1 if len(self.results) >= self.sent else 0

    @property
    def problem(self) -> str:
        return self.page.inner_text("#problem")

    def canvas(self) -> Image:
        """What the canvas shows, uint8 BGR."""
        url = self.page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
        data = base64.b64decode(url.partition(",")[2])
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)

    def drop(self, path: Path, kind: str) -> None:
        """Drop a file onto the page."""
        self.page.evaluate(
            """([name, kind, data]) => {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], name, { type: kind }));
                const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
                document.getElementById("stage").dispatchEvent(new DragEvent("dragenter", options));
                document.getElementById("stage").dispatchEvent(new DragEvent("drop", options));
            }""",
            [path.name, kind, base64.b64encode(path.read_bytes()).decode()],
        )

    def downloads(self, folder: Path) -> dict[str, Path]:
        """Download every offered file of the newest group; returns them by their suffix."""
        self.page.wait_for_selector("#file-list > li a", timeout=120_000)
        files = {}
        for link in self.page.query_selector_all("#file-list > li:first-child a"):
            with self.page.expect_download() as info:
                link.click()
            path = folder / info.value.suggested_filename
            info.value.save_as(path)
            files[path.suffix] = path
        return files

    def screenshot(self, name: str) -> None:
        """Keep a picture of the page where a person can look at it, if a folder for that is set."""
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@contextlib.contextmanager
def opened(browser: Browser, **settings: Any) -> Iterator[Tab]:
    """A tab in a context of its own, which may use the webcam."""
    context = browser.new_context(**{"viewport": SIZE, "permissions": ["camera"], "accept_downloads": True, **settings})
    context.set_default_timeout(60_000)
    try:
        yield Tab(context)
    finally:
        context.close()
