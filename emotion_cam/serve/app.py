"""The addresses of the server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response, WebSocket
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from emotion_cam.drawing.colors import PALETTE
from emotion_cam.errors import MissingExtraError
from emotion_cam.report import check_extra, render
from emotion_cam.report.history import History
from emotion_cam.result import Result
from emotion_cam.serve.guard import Access, Guard
from emotion_cam.serve.live import LiveSource
from emotion_cam.serve.metrics import CONTENT_TYPE
from emotion_cam.serve.pictures import FORMATS
from emotion_cam.serve.requests import Options, options, read_picture, recognition
from emotion_cam.serve.service import Service, detailed
from emotion_cam.serve.session import Session
from emotion_cam.serve.streams import BOUNDARY, COMMENT, EndlessResponse, event, part
from emotion_cam.serve.watcher import Watcher
from emotion_cam.serve.workers import FullError
from emotion_cam.sinks.window import task_keys
from emotion_cam.version import __version__

PAGE = Path(__file__).with_name("page")
"""The files that browsers get."""

KEYS = {" ", *"abefhlmqrs"}
"""The keys of the page that do not belong to a task."""

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class PredictionModel(BaseModel):
    """The scores of one task for one face."""

    label: str
    score: float
    scores: dict[str, float]


class FaceModel(BaseModel):
    """A face: its number in the picture, its number through a stream, its box (left, top, right, bottom).

    ``landmarks`` (x and y of eyes, nose and mouth corners) and ``roll`` (degrees) are there if the detector finds them.
    """

    face: int
    track: int | None
    box: tuple[int, int, int, int]
    landmarks: dict[str, tuple[float, float]] | None = None
    roll: float | None = None
    predictions: dict[str, PredictionModel]


class ResultModel(BaseModel):
    """A picture or frame with its faces: what a line of JSON Lines holds."""

    source: str
    frame: int
    time: float
    faces: list[FaceModel]


class Problem(BaseModel):
    """Why a request was refused, in one sentence."""

    detail: str


def service_of(connection: HTTPConnection) -> Service:
    service: Service = connection.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]
Chosen = Annotated[Options, Depends(options)]

router = APIRouter()

_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"A picture ({FORMATS}): the file itself, or a form with a file in it.",
        "content": {
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/jpeg", "image/png")},
            "image/webp": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"picture": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    408: {"model": Problem, "description": "The picture came too slowly."},
    413: {"model": Problem, "description": "The picture has too many bytes or pixels."},
    415: {"model": Problem, "description": "It is no picture, or a damaged one."},
    422: {"model": Problem, "description": "An option is wrong."},
    503: {"model": Problem, "description": "The server is busy: try again in a moment."},
}
_NO_SOURCE: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "The server has no source of its own."},
    503: {"model": Problem, "description": "Too many watch already."},
}


@router.post(
    "/v1/recognize", tags=["pictures"], response_model=ResultModel, responses=_PROBLEMS, openapi_extra=_PICTURE
)
async def recognize(
    request: Request,
    service: Shared,
    chosen: Chosen,
    detail: Annotated[bool, Query(description="Add the picture's size, and a class map to each prediction.")] = False,
) -> Response:
    """Recognize the faces of a picture."""
    result = await _result(request, service, chosen)
    table = detailed(result, maps=True) if detail else result.as_dict()
    return Response(msgspec.json.encode(table), media_type="application/json")


@router.post(
    "/v1/report", tags=["pictures"], response_class=Response, responses={**_PROBLEMS, 501: {"model": Problem}},
    openapi_extra=_PICTURE,
)  # fmt: skip
async def report(request: Request, service: Shared, chosen: Chosen) -> Response:
    """Make a report of a picture: a web page in one file."""
    result = await _result(request, service, chosen)
    history = History()
    image = result.frame.image if result.view.shows_faces else None
    history.add(result.frame.source, 0, 0.0, result.faces, image)
    with service.workers.request():
        async with service.drawing:
            page = await service.workers.run(lambda: render(history, ".html"))
    return Response(page, media_type="text/html", headers={"content-disposition": 'attachment; filename="report.html"'})


async def _result(request: Request, service: Service, chosen: Options) -> Result:
    with service.workers.request():
        data, name = await read_picture(request, service.limits)
        return await service.workers.run(recognition(service, data, name, chosen))


def _live(service: Service) -> LiveSource:
    live = service.live
    if live is None:
        raise HTTPException(404, "This server has no source of its own: start it with a camera or a video.")
    if live.watchers >= service.limits.watchers:
        raise FullError(f"The server is full: {live.watchers} watch its source. Try again later.")
    return live


@router.get(
    "/v1/events",
    tags=["the server's own source"],
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, **_NO_SOURCE},
)
async def events(service: Shared) -> EndlessResponse:
    """The results of the server's own source as server-sent events, each a line of JSON Lines, as they happen."""
    live = _live(service)

    async def parts() -> AsyncGenerator[bytes, None]:
        yield COMMENT
        async with contextlib.aclosing(live.watch(15.0)) as moments:
            async for moment in moments:
                yield COMMENT if moment is None else event(moment.line, moment.result.frame.index)

    return EndlessResponse(parts(), "text/event-stream", service.limits.idle_seconds)


@router.get(
    "/stream.mjpg",
    tags=["the server's own source"],
    response_class=Response,
    responses={200: {"content": {"multipart/x-mixed-replace": {}}}, **_NO_SOURCE},
)
async def mjpeg(service: Shared) -> EndlessResponse:
    """The annotated picture of the server's own source as MJPEG, for an ``img`` element or a video player."""
    live = _live(service)

    async def parts() -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(live.watch(15.0)) as moments:
            async for moment in moments:
                if moment is not None:
                    yield part(await asyncio.to_thread(moment.jpeg, annotated=True))

    kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    return EndlessResponse(parts(), kind, service.limits.idle_seconds)


@router.websocket("/v1/frames")
async def frames(websocket: WebSocket, service: Shared) -> None:
    await Session(websocket, service).run()


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket, service: Shared, pictures: bool = False, detail: bool = False) -> None:
    await Watcher(websocket, service, pictures=pictures, detail=detail).run()


@router.get("/v1/info", tags=["the server"])
async def info(service: Shared) -> dict[str, Any]:
    """The server's version, tasks and limits, its own source, and how a page begins."""
    view, live, limits = service.view, service.live, service.limits
    keys = {task: key for key, task in task_keys(service.recognizer.tasks, KEYS).items()}
    source = live and {
        "name": live.name, "size": live.size, "fps": live.fps, "live": live.is_live, "problem": live.problem,
    }  # fmt: skip
    return {
        "version": __version__,
        "tasks": [{"name": task, "key": keys.get(task)} for task in service.recognizer.tasks],
        "palette": [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in PALETTE],
        "view": {name: getattr(view, name) for name in ("bars", "landmarks", "explain", "blur", "mirror", "hide")},
        "landmarks": service.recognizer.finds_landmarks,
        "source": source,
        "pages": {"now": service.door.pages, "most": service.door.most},
        "limits": {"frame_bytes": limits.frame_bytes, "frame_pixels": limits.frame_pixels,
                   "body_bytes": limits.body_bytes, "pixels": limits.pixels},
        "report": _has_report(),
    }  # fmt: skip


def _has_report() -> bool:
    try:
        check_extra()
    except MissingExtraError:
        return False
    return True


@router.get("/healthz", tags=["the server"], response_class=Response)
async def health() -> Response:
    """Whether the server answers: “ok”. Needs no token."""
    return Response("ok\n", media_type="text/plain")


@router.get("/metrics", tags=["the server"], response_class=Response)
async def metrics(service: Shared) -> Response:
    """What the server counted, as text for Prometheus."""
    return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})


@router.get("/", include_in_schema=False)
async def index(request: Request) -> Response:
    return _file(request, "index.html")


@router.get("/overlay", include_in_schema=False)
async def overlay(request: Request) -> Response:
    return _file(request, "overlay.html")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    return _file(request, "docs.html")


@router.get("/page/{name}", include_in_schema=False)
async def page_file(request: Request, name: str) -> Response:
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    """A file of the page; browsers ask each time whether it is still the same."""
    found = _files().get(name)
    if found is None:
        raise HTTPException(404, "There is no such page.")
    content, kind, tag = found
    headers = {"cache-control": "no-cache", "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Every file of the page by its name: its content, its kind, and its tag."""
    files = {}
    for path in PAGE.iterdir():
        if path.suffix in _TYPES and re.fullmatch(r"[\w-]+\.\w+", path.name):
            content = path.read_bytes()
            files[path.name] = content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return files


async def _busy(request: Request, error: Exception) -> Response:
    service_of(request).metrics.refused.labels("full").inc()
    content = msgspec.json.encode({"detail": str(error)})
    return Response(content, 503, {"retry-after": "1"}, media_type="application/json")


async def _missing(request: Request, error: Exception) -> Response:
    return Response(msgspec.json.encode({"detail": str(error)}), 501, media_type="application/json")


def make_app(service: Service, access: Access = Access()) -> ASGIApp:
    """The application of a server.

    Args:
        service: what all visitors share.
        access: who may reach it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if service.live is not None:
            service.live.start()
        yield
        if service.live is not None:
            service.live.close()
            await service.live.join()
        service.workers.close()

    app = FastAPI(
        title="emotion-cam",
        version=__version__,
        summary="Facial expressions and perceived gender in pictures and streams, on this machine only.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={FullError: _busy, MissingExtraError: _missing},
    )
    app.state.service = service
    app.include_router(router)
    return Guard(app, access, service.limits.body_bytes, service.metrics)
