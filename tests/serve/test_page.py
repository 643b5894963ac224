"""The page in a real browser. Each test opens a tab of its own."""

from __future__ import annotations

import http.server
import importlib.util
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from emotion_cam.detect import open_detector
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.sources.video import VideoSource
from emotion_cam.tables import read_table
from emotion_cam.types import Box, Image
from tests.serve.browser import MODULES, Tab, launch, opened, sync_playwright, write_clip, write_video
from tests.serve.conftest import make_service
from tests.serve.running import Address, Process, in_thread
from tests.serve.test_live import with_source

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

YELLOW = (0x42, 0xE4, 0xF0)
"""The color of “happy”, BGR."""


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch(playwright, write_clip(folder / "clip.mjpeg"))
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    with opened(browser) as one:
        yield one
        assert one.errors == []


@pytest.fixture
def live(tab: Tab, server: Address) -> Tab:
    """A tab in which the webcam is recognized."""
    tab.open(server.http)
    tab.wait_for_results(10)
    return tab


def drawn_box(canvas: Image) -> Box:
    """Where the outline of a box in the color of “happy” is drawn: its longest vertical lines."""
    mask = np.all(np.abs(canvas.astype(int) - YELLOW) < 12, axis=2)
    columns = np.flatnonzero(mask.sum(axis=0) > 0.6 * mask.sum(axis=0).max())
    rows = np.flatnonzero(mask[:, columns].any(axis=1))
    return Box(int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))


def test_the_box_is_on_the_face(live: Tab, recognizer: Recognizer) -> None:
    live.page.keyboard.press("a")  # without bars, which have the same color
    live.wait_for_face()
    live.pause()
    live.screenshot("webcam")
    canvas = live.canvas()
    assert canvas.shape == (480, 640, 3)
    found = recognizer(canvas)
    assert found
    assert max(drawn_box(canvas).iou(face.box) for face in found) > 0.6


def test_the_face_keeps_its_number_and_rates_are_shown(live: Tab) -> None:
    started = time.monotonic()
    live.wait_for_results(60)
    if time.monotonic() - started < 15:  # in fewer frames a second, the face moves too far from one to the next
        tracks = Counter(face["track"] for result in live.results[-60:] for face in result["faces"])
        assert tracks.most_common()[0][1] > 0.8 * 60
    rates = live.page.inner_text("#rates")
    assert "pictures a second" in rates
    assert "round trip" in rates
    assert float(live.page.get_attribute("#rates", "data-answers") or 0) > 0
    live.wait_for(lambda: "happy" in (live.page.get_attribute("#canvas", "aria-label") or ""))
    assert "happy" in live.page.inner_text("#shares")
    assert "Face 1" in live.page.inner_text("#lanes")
    live.screenshot("timeline")


def test_a_blurred_face_is_never_shown_sharp(live: Tab, recognizer: Recognizer) -> None:
    assert recognizer(live.canvas())
    live.page.keyboard.press("b")
    seen: list[Image] = []
    count = len(live.results)
    while len(seen) < 12 or len(live.results) < count + 3:
        seen.append(live.canvas())
        live.page.wait_for_timeout(120)
    live.screenshot("blur")
    sizes = [face.box.width for canvas in seen for face in recognizer(canvas)]
    assert all(size < 60 for size in sizes)  # smaller than hers ever is: a false positive elsewhere
    assert max(float(canvas.std()) for canvas in seen) > 20  # the rest of the picture is there
    assert live.page.get_attribute("#tools button:has-text('Blur')", "aria-pressed") == "true"


def test_explain_draws_the_class_map(live: Tab) -> None:
    def has_map() -> bool:
        return any("map" in face["predictions"]["emotion"] for face in live.results[-1]["faces"])

    live.page.keyboard.press("e")
    live.wait_for(has_map)
    live.pause()
    while not has_map():  # the face was lost in the last frame
        live.page.keyboard.press(" ")
        live.wait_for(has_map)
        live.pause()
    live.screenshot("explain")
    with_map = live.canvas()
    live.page.keyboard.press("e")
    assert float(np.abs(with_map.astype(int) - live.canvas()).mean()) > 0.5


def test_keys_and_buttons_do_the_same(live: Tab) -> None:
    def pressed(name: str) -> str | None:
        return live.page.get_attribute(f"#tools button:has-text('{name}')", "aria-pressed")

    for key, name in (
        ("a", "Bars"),
        ("e", "Explain"),
        ("b", "Blur"),
        ("m", "Mirror"),
        ("o", "emotion"),
        ("g", "gender"),
    ):
        before = pressed(name)
        live.page.keyboard.press(key)
        assert pressed(name) != before
        live.page.click(f"#tools button:has-text('{name}')")
        assert pressed(name) == before
    live.page.keyboard.press("h")
    assert live.page.is_visible("#help")
    live.screenshot("help")
    live.page.keyboard.press("Escape")
    assert not live.page.is_visible("#help")


def test_the_chosen_webcam_is_remembered(live: Tab) -> None:
    chosen = live.page.input_value("#webcams")
    assert chosen
    assert live.page.evaluate("localStorage.getItem('emotion-cam webcam')") == chosen
    live.page.reload()
    live.wait_for_results(3)
    assert live.page.input_value("#webcams") == chosen


def test_full_screen(live: Tab) -> None:
    live.page.keyboard.press("f")
    live.wait_for(lambda: live.page.evaluate("document.fullscreenElement !== null"))
    live.page.keyboard.press("f")
    live.wait_for(lambda: live.page.evaluate("document.fullscreenElement === null"))


def test_mirror_flips_the_picture(live: Tab) -> None:
    for key in ("a", "o", "g"):
        live.page.keyboard.press(key)
    live.pause()
    mirrored = live.canvas()[:60]  # above the face and its labels
    live.page.keyboard.press("m")
    plain = live.canvas()[:60]
    assert float(np.abs(mirrored[:, ::-1].astype(int) - plain).mean()) < 3
    assert float(np.abs(mirrored.astype(int) - plain).mean()) > 5


def test_a_snapshot_is_what_is_shown(live: Tab, tmp_path: Path) -> None:
    live.pause()
    with live.page.expect_download() as info:
        live.page.keyboard.press("s")
    path = tmp_path / info.value.suggested_filename
    info.value.save_as(path)
    assert path.suffix == ".png"
    image = np.asarray(cv2.imread(str(path)), np.uint8)
    assert image.shape == (480, 640, 3)
    assert np.array_equal(image, live.canvas())


def test_a_recording_has_the_video_and_the_results_of_the_same_stretch(live: Tab, tmp_path: Path) -> None:
    live.page.keyboard.press("r")
    assert live.page.is_visible("#recording")
    started = time.monotonic()
    live.page.wait_for_timeout(3000)
    live.wait_for_results(8)
    live.page.keyboard.press("r")
    longest = time.monotonic() - started + 1
    files = live.downloads(tmp_path)
    live.screenshot("recorded")
    assert {".csv", ".jsonl"} < {*files}
    with VideoSource(files.get(".webm") or files[".mp4"]) as source:
        frames = list(source)
    assert len(frames) > 10
    assert 1.5 < frames[-1].time < longest
    tables = [list(read_table(files[suffix])) for suffix in (".csv", ".jsonl")]
    for table in tables:
        assert len(table) > 5
        assert (table[0].time, table[0].source) == (0.0, "webcam")
        assert 1.5 < table[-1].time < longest
        assert "happy" in {face.predictions["emotion"].label for frame in table for face in frame.faces}
    assert [(frame.time, [face.box for face in frame.faces]) for frame in tables[0]] == [
        (frame.time, [face.box for face in frame.faces]) for frame in tables[1]
    ]
    pytest.importorskip("matplotlib")
    assert "webcam" in files[".html"].read_text()


def test_a_dropped_picture_is_annotated(tab: Tab, server: Address, portrait: Image, tmp_path: Path) -> None:
    path = tmp_path / "photo, of her.png"
    cv2.imwrite(str(path), portrait)
    tab.open(server.http)
    tab.drop(path, "image/png")
    files = tab.downloads(tmp_path)
    tab.screenshot("picture")
    assert drawn_box(tab.canvas()[:, :, :]).iou(Box(172, 66, 272, 166)) > 0.3  # bars have the same color
    (frame,) = read_table(files[".csv"])
    assert frame.source == "photo, of her.png"
    assert frame.faces[0].box.iou(Box(172, 66, 272, 166)) > 0.7
    tab.wait_for(lambda: "happy" in (tab.page.get_attribute("#canvas", "aria-label") or ""))


def test_a_dropped_video_is_played_with_its_results(tab: Tab, server: Address, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 3)
    tab.open(server.http)
    tab.drop(path, "video/mp4")
    files = tab.downloads(tmp_path)
    tab.screenshot("video")
    for suffix in (".csv", ".jsonl"):
        table = list(read_table(files[suffix]))
        assert {frame.source for frame in table} == {"clip.mp4"}
        times = [frame.time for frame in table]
        assert times == sorted(times)
        assert times[0] < 1
        assert 2 < times[-1] < 3.1
        assert len(times) > 10
    pytest.importorskip("matplotlib")
    report = files[".html"].read_text()
    assert "clip.mp4" in report
    assert "data:image/jpeg" in report
    tab.page.click("#play")  # it plays again
    tab.wait_for_results(3)


def test_what_is_no_picture_and_no_video_is_named(tab: Tab, server: Address, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "a.mp4").write_text("no video")
    tab.open(server.http)
    tab.drop(tmp_path / "a.png", "image/png")
    tab.wait_for(lambda: "a.png is no picture" in tab.problem)
    tab.drop(tmp_path / "a.mp4", "video/mp4")
    tab.wait_for(lambda: "cannot play this video" in tab.problem)
    tab.errors.clear()


def test_the_page_comes_back_with_the_server(browser: Browser) -> None:
    with opened(browser) as tab:
        with Process() as process:
            tab.open(process.address.http)
            tab.wait_for_results(5)
            process.kill()
            tab.wait_for(lambda: tab.problem != "")
            tab.screenshot("server gone")
        with Process(port=process.address.port):
            count = len(tab.results)
            tab.wait_for_results(3)
            assert tab.problem == ""
            tab.wait_for(lambda: any(face["track"] == 1 for one in tab.results[count:] for face in one["faces"]))


def test_two_pages_at_once(browser: Browser, server: Address) -> None:
    with opened(browser) as first, opened(browser) as second:
        for tab in (first, second):
            tab.open(server.http)
        for tab in (first, second):
            tab.wait_for_results(10)
            assert tab.errors == []


def test_a_full_server_is_named(browser: Browser, recognizer: Recognizer) -> None:
    with (
        in_thread(make_service(recognizer, most_pages=1)) as address,
        opened(browser) as first,
        opened(browser) as second,
    ):
        first.open(address.http).wait_for_results(3)
        second.open(address.http)
        second.wait_for(lambda: "The server is full" in second.problem)


def test_the_servers_own_source_is_shown(tab: Tab, recognizer: Recognizer, film: Path) -> None:
    with in_thread(with_source(make_service(recognizer), film)) as address:
        tab.open(address.http)
        tab.wait_for(lambda: "happy" in tab.page.inner_text("#shares"))
        tab.wait_for(lambda: bool(recognizer(tab.canvas())))
        tab.screenshot("own source")
        assert tab.canvas().shape == (240, 320, 3)
        tab.page.goto(f"{address.http}/overlay?bars=0")

        def drawn() -> float:
            """The share of the page that something is drawn on: boxes and labels, and nothing behind them."""
            data = tab.page.screenshot(omit_background=True)
            picture = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)
            return float((picture[..., 3] > 0).mean())

        tab.wait_for(lambda: 0.001 < drawn() < 0.3)
        tab.screenshot("overlay")
        tab.page.goto("about:blank")


def test_a_recording_of_the_servers_own_source_has_a_report(tab: Tab, recognizer: Recognizer, film: Path) -> None:
    with in_thread(with_source(make_service(recognizer), film)) as address, tempfile.TemporaryDirectory() as name:
        tab.open(address.http)
        tab.wait_for(lambda: "happy" in tab.page.inner_text("#shares"))
        tab.page.keyboard.press("r")
        count = tab.pictures
        tab.wait_for(lambda: tab.pictures > count + 30)  # the video has 20: it starts over
        tab.page.keyboard.press("r")
        files = tab.downloads(Path(name))
        tables = [list(read_table(files[suffix])) for suffix in (".csv", ".jsonl")]
        for table in tables:
            times = [frame.time for frame in table]
            assert times == sorted(times)
            assert times[0] == 0
            assert times[-1] > 2
            assert {frame.source for frame in table} == {"clip.mp4"}
        boxes = [[[face.box for face in frame.faces] for frame in table] for table in tables]
        assert boxes[0] == boxes[1]
        if importlib.util.find_spec("matplotlib"):
            report = files[".html"].read_text()
            assert "clip.mp4" in report
            assert "data:image/jpeg" in report
        tab.page.goto("about:blank")


def test_landmarks_are_drawn_and_saved_where_the_detector_finds_them(tab: Tab, portrait: Image, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), portrait)
    with in_thread(make_service(Recognizer(detector=open_detector("mini")))) as address:
        tab.open(address.http)
        tab.drop(path, "image/png")
        files = tab.downloads(tmp_path)
        plain = tab.canvas()
        tab.page.keyboard.press("l")
        tab.screenshot("landmarks")
        tables = [list(read_table(files[suffix])) for suffix in (".csv", ".jsonl")]
        landmarks = tables[0][0].faces[0].landmarks
        assert landmarks is not None
        assert tables[1][0].faces[0].landmarks == landmarks
        drawn = np.argwhere(np.any(tab.canvas() != plain, axis=2))
        for x, y in landmarks:
            assert np.abs(drawn - (y, x)).max(axis=1).min() < 2


def test_the_token_opens_the_page_once_and_for_all(browser: Browser) -> None:
    with Process(environment={"EMOTION_CAM_TOKEN": "of the test"}) as process, opened(browser) as tab:
        tab.open(process.address.http)
        assert "token is missing" in tab.page.inner_text("body")
        tab.open(f"{process.address.http}/?token=of%20the%20test")
        assert tab.page.url == f"{process.address.http}/"
        tab.wait_for_results(3)
        assert tab.page.evaluate("document.cookie") == ""


EVIL = """<!doctype html><img id=i><script>
const found = [];
const done = (name, what) => { found.push(name + " " + what); document.title = found.sort().join(", "); };
const at = location.hash.slice(1);
const socket = new WebSocket("ws://" + at + "/v1/frames");
socket.onopen = () => done("socket", "open"); socket.onerror = () => done("socket", "refused");
fetch("http://" + at + "/v1/info").then(() => done("fetch", "open"), () => done("fetch", "refused"));
i.onload = () => done("picture", "open"); i.onerror = () => done("picture", "refused");
i.src = "http://" + at + "/page/icon.svg";
const events = new EventSource("http://" + at + "/v1/events");
events.onopen = () => done("events", "open"); events.onerror = () => { events.close(); done("events", "refused"); };
</script>"""


def test_a_page_elsewhere_reaches_nothing(browser: Browser, server: Address) -> None:
    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as elsewhere, opened(browser) as tab:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        tab.open(f"http://127.0.0.1:{elsewhere.server_address[1]}/#{server.host}:{server.port}")
        tab.wait_for(lambda: tab.page.title().count(",") == 3)
        elsewhere.shutdown()
        assert tab.page.title() == "events refused, fetch refused, picture refused, socket refused"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(
    browser: Browser, server: Address, portrait: Image, tmp_path: Path, scheme: str, width: int
) -> None:
    axe = MODULES / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("needs axe-core: npm install --prefix tests/serve")
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), portrait)
    with opened(browser, color_scheme=scheme, viewport={"width": width, "height": 844}, permissions=[]) as tab:
        for address in ("/", "/docs"):
            tab.open(server.http + address)
            for state in ("empty", "picture", "help") if address == "/" else ("docs",):
                if state == "picture":
                    tab.drop(path, "image/png")
                    tab.page.wait_for_selector("#file-list a")
                elif state == "help":
                    tab.page.keyboard.press("h")
                elif state == "docs":
                    tab.page.wait_for_selector("#operations section")
                tab.screenshot(f"{state} {scheme} {width}")
                assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
                tab.page.evaluate(axe.read_text())
                found = tab.page.evaluate("axe.run()")
                serious = [
                    (one["id"], [node["html"] for node in one["nodes"]])
                    for one in found["violations"]
                    if one["impact"] in ("serious", "critical")
                ]
                assert serious == []


def test_the_keyboard_alone_is_enough(tab: Tab, server: Address) -> None:
    tab.open(server.http)
    tab.page.click("#again")  # the webcam began by itself
    reached = []
    for _ in range(25):
        tab.page.keyboard.press("Tab")
        reached.append(
            tab.page.evaluate("document.activeElement.id || document.activeElement.textContent.replace(/\\s+/g, ' ')")
        )
    for name in ("use-webcam", "use-file", "Barsa", "Recordr", "webcams", "For programs"):
        assert name in reached
    tab.page.focus("#use-webcam")
    tab.page.keyboard.press("Enter")
    tab.wait_for_results(3)


def test_the_types_of_the_scripts_fit() -> None:
    compiler = MODULES / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("needs TypeScript: npm install --prefix tests/serve")
    run = subprocess.run([compiler, "-p", Path(__file__).parent], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
