"""What the site is made from; Zensical itself is not needed."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import PAGES, ROOT, text_of

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no reader of TOML")


@pytest.fixture
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "build_site.py"))


def test_every_link_leads_to_a_page_of_the_site(tool: dict[str, Any]) -> None:
    files = tool["pages"]()
    for source in files:
        if source.suffix == ".md":
            tool["staged"]((ROOT / source).read_text(encoding="utf-8"), source, files)


def test_every_link_leads_somewhere_in_the_repository_too() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_links_fit_where_the_files_are_on_the_site(tool: dict[str, Any]) -> None:
    files = {
        Path("docs/models.md"): Path("models.md"),
        Path("models/a/README.md"): Path("models/a/index.md"),
        Path("docs/x.png"): Path("x.png"),
    }
    text = "[a](../models/a/README.md#use) ![x](x.png) [web](https://example.org/a.md) [here](#there)"
    assert tool["staged"](text, Path("docs/models.md"), files) == (
        "[a](models/a/index.md#use) ![x](x.png) [web](https://example.org/a.md) [here](#there)"
    )
    assert tool["staged"]("[m](../../docs/models.md)", Path("models/a/README.md"), files) == "[m](../../models.md)"
    with pytest.raises(ValueError, match=r"nowhere\.md"):
        tool["staged"]("[b](nowhere.md)", Path("docs/models.md"), files)


def test_the_navigation_has_every_page(tool: dict[str, Any]) -> None:
    settings = tomllib.loads(text_of("zensical.toml"))
    named = set(re.findall(r"'([^']+\.md)'", str(settings["project"]["nav"])))
    cards = {"details.md", "training.md", "notes.md"}  # a card leads to them
    files = {
        place.as_posix() for place in tool["pages"]().values() if place.suffix == ".md" and place.name not in cards
    }
    assert named == files
