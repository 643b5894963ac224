"""Make docs/serve.jpg: the page of emotion-cam serve in Chromium, with the moving portrait as its webcam.

    python tools/page_picture.py

Needs Debian's Chromium, Playwright for Python and the extra “serve”. Nothing is downloaded.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from playwright.sync_api import sync_playwright
from portrait import moving_frames

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "serve.jpg"
SECONDS = 9
"""How long the portrait moves before the picture is taken."""


def main() -> None:
    command = [sys.executable, "-m", "emotion_cam", "serve", "--no-browser", "--port", "0"]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(line.split()[-1] for line in server.stdout if line.startswith("Serving on "))
            clip = Path(name) / "clip.mjpeg"
            with clip.open("wb") as file:
                for frame in moving_frames():
                    file.write(cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
            take(address, clip)
        finally:
            server.terminate()
    print(f"Wrote {PICTURE}")


def take(address: str, clip: Path) -> None:
    """Take the picture of the page at an address, which sees a clip."""
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream"]
    options += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={clip}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=options)
        context = browser.new_context(viewport={"width": 1180, "height": 684}, permissions=["camera"])
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#canvas[aria-label*='happy']")
        page.wait_for_timeout(1000 * SECONDS)
        page.screenshot(path=PICTURE, quality=88)
        browser.close()


if __name__ == "__main__":
    main()
