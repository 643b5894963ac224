"""Nothing in this room leaves a thread, a process or a file handle behind."""

from __future__ import annotations

from tests.leaks import no_leaks

__all__ = ["no_leaks"]
