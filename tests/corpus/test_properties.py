"""Properties of what a corpus reads: whatever a list or a manifest holds, there is a result or one clear error."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_cam.corpus.find import PATH_COLUMNS, find_videos
from emotion_cam.corpus.manifest import NAME, Entry, Manifest, Settings
from emotion_cam.errors import SourceError

texts = st.text(max_size=60)
many = settings(max_examples=150, deadline=None)

cells = st.text(max_size=12) | st.sampled_from(["0012", "2024-01-01", "1e400", "true", "", "a.mp4", "12:00", "nan"])
tables = st.lists(st.lists(cells, min_size=2, max_size=2).map(",".join), max_size=4).flatmap(
    lambda rows: st.sampled_from(PATH_COLUMNS).map(lambda name: "\n".join([f"{name},site", *rows]))
)


@given(tables | texts)
@many
def test_any_text_is_a_list_of_videos_or_refused(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    folder = tmp_path_factory.mktemp("list")
    (folder / "list.csv").write_bytes(content.encode(errors="surrogatepass"))
    try:
        videos = find_videos([folder / "list.csv"], without=folder / "out")
    except SourceError as error:
        assert "list.csv" in str(error)
    else:
        assert len({video.id for video in videos}) == len(videos) > 0


fields: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.sampled_from(["kind", *Entry.__struct_fields__]),
    st.sampled_from(["video", "settings", "1", "done", -1, 0.5, None, [], {}, {"emotion": {"happy": -1}}]),
)


@given(st.lists(st.binary(max_size=100) | fields.map(msgspec.json.encode), max_size=4))
@many
def test_a_manifest_keeps_its_entries_among_any_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    entry = Entry("1", "/a.mp4", 1, 2, "hash", "settings", "done", labels={"emotion": {"happy": 3}})
    manifest = Manifest(folder)
    manifest.begin(Settings("settings", "1", {}, {}))
    manifest.add(entry)
    manifest.close()
    with (folder / NAME).open("ab") as file:
        file.write(b"\n".join(lines))
    again = Manifest(folder)
    assert again.entries["1"] == entry
    again.begin(Settings("settings", "1", {}, {}))
    again.close()
    assert Manifest(folder).entries == again.entries
