"""A request with one picture: reading it within the limits, and recognizing it with the request's own options."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import HTTPException, Query, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from emotion_cam.errors import GroupError
from emotion_cam.recognition.groups import Grouping, make_groupings
from emotion_cam.recognition.spec import ModelSpec, parse_groups
from emotion_cam.result import Result
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.pictures import FORMATS, PictureError, decode
from emotion_cam.serve.service import Service
from emotion_cam.types import Face, Frame


@dataclass(frozen=True)
class Options:
    """What a request may change of the server's ``ModelSpec``.

    Attributes:
        without: tasks to leave out.
        groups: labels under a common name.
        min_confidence: the score below which a label is “unsure”; None for the one of the server.
        min_face: the smallest face, as a share of the picture's shorter side; None for the one of the server.
    """

    without: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    min_confidence: float | None = None
    min_face: float | None = None

    def apply(self, faces: Sequence[Face], shorter_side: int) -> tuple[Face, ...]:
        """The faces as these options want them.

        Raises:
            GroupError: the groups do not fit the labels.
        """
        least = (self.min_face or 0) * shorter_side
        kept = [face for face in faces if min(face.box.width, face.box.height) >= least]
        return tuple(self._changed(face) for face in kept)

    def _changed(self, face: Face) -> Face:
        predictions = {task: p for task, p in face.predictions.items() if task not in self.without}
        if self.groups:
            groupings: list[Grouping] = make_groupings(
                [prediction.labels for prediction in predictions.values()], parse_groups(self.groups)
            )
            predictions = {t: make(p) for (t, p), make in zip(predictions.items(), groupings, strict=True)}
        if self.min_confidence is not None:
            predictions = {t: replace(p, min_confidence=self.min_confidence) for t, p in predictions.items()}
        return replace(face, predictions=predictions)


Without = Annotated[list[str], Query(description="A task to leave out.", max_length=20)]
Group = Annotated[
    list[str], Query(description="Labels under a common name, as in positive=happy,surprise.", max_length=20)
]
MinConfidence = Annotated[float | None, Query(description="The score below which a label is “unsure”; 0 for never.")]
MinFace = Annotated[float | None, Query(description="The smallest face, as a share of the picture's shorter side.")]


def options(
    without: Without = [],  # noqa: B006 - FastAPI copies it
    group: Group = [],  # noqa: B006
    min_confidence: MinConfidence = None,
    min_face: MinFace = None,
) -> Options:
    """The options in the address, which mean what they mean on the command line."""
    chosen = {"min_confidence": min_confidence, "min_face": min_face}
    try:
        ModelSpec(
            without=tuple(without),
            group=tuple(group),
            **{name: value for name, value in chosen.items() if value is not None},  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return Options(tuple(without), tuple(group), min_confidence, min_face)


class _InMemory(MultiPartParser):
    """Keeps what is uploaded in memory: nothing is written to the disk."""

    spool_max_size = 1 << 40


async def read_picture(request: Request, limits: Limits) -> tuple[bytes, str]:
    """The picture in a request and its name, from the body itself or from the first file of a form.

    Raises:
        HTTPException: it is too large, too slow, or not there.
    """
    try:
        body = await asyncio.wait_for(_body(request, limits.body_bytes), limits.body_seconds)
    except asyncio.TimeoutError:
        raise HTTPException(408, f"The picture took longer than {limits.body_seconds:g} seconds.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The picture is not complete.") from None
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _first_file(request, body)
    if not body:
        raise HTTPException(422, f"There is no picture: send a file in the format {FORMATS} as the body or in a form.")
    return body, "picture"


async def _body(request: Request, most: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise HTTPException(413, f"At most {most / 1e6:g} megabytes are allowed.", {"connection": "close"})
        chunks.append(chunk)
    return b"".join(chunks)


async def _first_file(request: Request, body: bytes) -> tuple[bytes, str]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(request.headers, stream(), max_files=1, max_fields=8, max_part_size=10_000).parse()
    except MultiPartException as error:
        raise HTTPException(400, f"The form cannot be read: {error.message}") from error
    for value in form.values():
        if isinstance(value, UploadFile):
            try:
                return await value.read(), value.filename or "picture"
            finally:
                await value.close()
    raise HTTPException(422, "The form holds no file.")


def recognition(service: Service, data: bytes, name: str, chosen: Options) -> Callable[[], Result]:
    """What recognizes a picture in a worker.

    Raises, when it is called:
        HTTPException: it is no picture, too large, or the options do not fit.
    """

    def recognize() -> Result:
        started = time.perf_counter()
        try:
            image = decode(data, service.limits.pixels)
        except PictureError as error:
            raise HTTPException(413 if error.too_large else 415, str(error)) from error
        found = service.recognizer(image)
        try:
            faces = chosen.apply(found, min(image.shape[:2]))
        except GroupError as error:
            raise HTTPException(422, str(error)) from error
        service.count("request", faces, started)
        return Result(Frame(image, 0, 0.0, name), faces, service.view)

    return recognize
