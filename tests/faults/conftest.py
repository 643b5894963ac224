"""Fixtures for the tests of faults."""

from __future__ import annotations

from tests.sources.conftest import capture

__all__ = ["capture"]
