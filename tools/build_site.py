"""Build the documentation as a site, or show it while it is edited.

    python tools/build_site.py          build it in site/; every warning is an error
    python tools/build_site.py --serve  show it in the browser, and follow the changes in docs/

The pages are those of docs/, the model cards, CONTRIBUTING.md, CHANGELOG.md and SECURITY.md. They are first copied to
build/docs/, with links that fit there, so that the same files can be read in the repository too. Zensical does the
rest; its settings are in zensical.toml.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAGE = ROOT / "build" / "docs"

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
"""The target of a Markdown link or picture, and its anchor; not an address, nor an anchor alone."""


def pages() -> dict[Path, Path]:
    """Every file of the site: where it is in the repository, and where it is on the site, both relative."""
    found = {path.relative_to(ROOT): path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*")}
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        found[Path(name)] = Path(name.lower())
    found[Path("benchmarks/speed.json")] = Path("speed.json")
    for path in (ROOT / "models").rglob("*"):
        if path.suffix not in (".keras", ".tflite"):
            place = path.relative_to(ROOT)
            found[place] = place.with_name("index.md") if place.name == "README.md" else place
    return {source: place for source, place in found.items() if (ROOT / source).is_file()}


def staged(text: str, source: Path, files: dict[Path, Path]) -> str:
    """The text of a page with its links changed to where the files are on the site.

    Args:
        text: the page, Markdown.
        source: where it is in the repository.
        files: every file of the site.

    Raises:
        ValueError: a link leads to no file of the site.
    """

    def changed(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / link[1]))
        if target not in files:
            raise ValueError(f"{source}: the link to {link[1]} leads to no page of the site.")
        return Path(os.path.relpath(files[target], files[source].parent)).as_posix() + (link[2] or "")

    return LINK.sub(changed, text)


def stage() -> None:
    """Bring build/docs/ up to date; files that stayed the same keep their time."""
    files = pages()
    for path in STAGE.rglob("*"):
        if path.is_file() and path.relative_to(STAGE) not in files.values():
            path.unlink()
    for source, place in files.items():
        target = STAGE / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            text = staged((ROOT / source).read_text(encoding="utf-8"), source, files)
            if not target.exists() or target.read_text(encoding="utf-8") != text:
                target.write_text(text, encoding="utf-8")
        elif not target.exists() or target.stat().st_mtime < (ROOT / source).stat().st_mtime:
            shutil.copyfile(ROOT / source, target)


def zensical(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "zensical", *arguments]


def serve() -> None:
    """Show the site until Ctrl-C."""
    with suppress(KeyboardInterrupt), subprocess.Popen(zensical("serve"), cwd=ROOT) as server:
        while server.poll() is None:
            time.sleep(1)
            try:
                stage()
            except ValueError as error:
                print(error, file=sys.stderr)


def main() -> None:
    try:
        stage()
    except ValueError as error:
        sys.exit(str(error))
    if "--serve" in sys.argv:
        serve()
    elif subprocess.run(zensical("build", "--clean", "--strict"), cwd=ROOT, check=False).returncode:
        sys.exit("The site was not built; the warning stands above.")


if __name__ == "__main__":
    main()
