"""Videos are found below folders and in lists."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emotion_cam.corpus.find import find_videos
from emotion_cam.errors import SourceError


def names(*places: Path) -> list[str]:
    return [Path(video.path).name for video in find_videos(places, without=Path("data"))]


def test_folders_are_searched_with_all_below_them_but_not_the_data_set(clips: Path) -> None:
    (Path("data") / "mp4").mkdir(parents=True)
    (Path("data") / "mp4" / "annotated.mp4").touch()
    (clips / ".hidden.mp4").touch()
    assert names(Path()) == ["a.mp4", "broken.mp4", "b.mp4"]


def test_a_video_comes_once_and_keeps_its_id(clips: Path) -> None:
    (clips / "link.mp4").symlink_to(clips / "a.mp4")
    found = find_videos([clips, clips / "a.mp4", Path("clips")], without=Path("data"))
    assert len(found) == 3
    assert [video.id for video in found] == [video.id for video in find_videos([clips], without=Path("data"))]
    assert len({video.id for video in found}) == 3


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_list_brings_columns_of_its_own(clips: Path, suffix: str) -> None:
    place = clips / f"list.{suffix}"
    if suffix == "csv":
        place.write_text("site,path,age\nnorth,a.mp4,31\nsouth,deep/b.mp4,\n", encoding="utf-8")
    else:
        pq.write_table(
            pa.table({"site": ["north", "south"], "path": ["a.mp4", "deep/b.mp4"], "age": [31, None]}), place
        )
    a, b = find_videos([clips / "a.mp4", place], without=Path("data"))
    assert (Path(a.path).name, a.columns) == ("a.mp4", {"site": "north", "age": 31})
    assert (Path(b.path).name, b.columns) == ("b.mp4", {"site": "south", "age": None})


def test_a_name_in_a_list_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\n0012\n2024-01-01\n1e3\n", encoding="utf-8")
    videos = find_videos([tmp_path / "list.csv"], without=Path("data"))
    assert [Path(video.path).name for video in videos] == ["0012", "2024-01-01", "1e3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,site\na.mp4,north\n", "is no list of videos: it has none of the columns path, video, file"),
        ("", "cannot be read as a list of videos"),
        ("path,site\n,north\n", "There is no video below"),
    ],
)
def test_a_wrong_list_is_refused(clips: Path, content: str, message: str) -> None:
    (clips / "list.csv").write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        find_videos([clips / "list.csv"], without=Path("data"))


def test_nothing_and_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no video below"):
        find_videos([tmp_path], without=Path("data"))
    with pytest.raises(SourceError, match="There is no file or folder"):
        find_videos([tmp_path / "nowhere"], without=Path("data"))
