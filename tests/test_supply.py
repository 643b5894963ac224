"""The lock file of development fits pyproject.toml, and names versions and digests only."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")


def requirements() -> list[str]:
    """What the package, its extras and the groups that the lock file covers ask for."""
    groups = [PROJECT["dependency-groups"][name] for name in ("demo", "test", "dev", "docs")]
    extras = PROJECT["project"]["optional-dependencies"].values()
    lists = [PROJECT["project"]["dependencies"], *extras, *groups]
    return [each for one in lists for each in one if isinstance(each, str) and not each.startswith("emotion-cam")]


@pytest.mark.parametrize("text", sorted(set(requirements())))
def test_the_lock_file_fits_what_is_asked_for(text: str) -> None:
    """Where a package is locked in several versions, for several versions of Python, each fits."""
    asked = Requirement(text)
    locked = re.findall(rf"^{re.escape(asked.name)}==(\S+)", LOCK, re.MULTILINE | re.IGNORECASE)
    assert locked
    assert all(asked.specifier.contains(version) for version in locked)


def test_the_lock_file_covers_this_python_and_names_no_address() -> None:
    assert "://" not in LOCK
    lines = re.findall(r"^(\w\S*==.*?) \\$", LOCK, re.MULTILINE)
    here = [Requirement(line) for line in lines]
    assert len(lines) > 100
    assert sum(each.marker is None or each.marker.evaluate() for each in here) > 80
    assert LOCK.count("--hash=sha256:") > len(lines)
