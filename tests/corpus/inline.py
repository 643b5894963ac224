"""An engine without processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from emotion_cam.corpus.engine import Call


class InlineEngine:
    """Runs calls at once, in this process."""

    dashboard = None

    def __init__(self, jobs: int, scheduler: str | None = None) -> None:
        self.jobs = jobs

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def run(self, calls: deque[Call]) -> Iterator[tuple[Call, Any]]:
        while calls:
            call = calls.popleft()
            yield call, call.function(*call.arguments)
