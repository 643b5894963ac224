"""Subtitles: what FFmpeg, and so many players, read in them."""

from __future__ import annotations

from pathlib import Path

import cv2  # noqa: F401  # isort: skip - before av, as in the package
import av
import pytest

from emotion_cam.drawing.view import View
from emotion_cam.sinks.subtitles import SubtitleSink
from emotion_cam.types import Box, Face
from tests.builders import prediction, result

MOODS = {"h": "happy", "s": "sad", "<": "<i>\n& so --> on"}


def face(letter: str, track: int) -> Face:
    """A face whose mood has the label of a letter, and that is a woman."""
    scores = {label: 0.8 if label == MOODS[letter] else 0.1 for label in MOODS.values()}
    return Face(Box(0, 0, 9, 9), {"mood": prediction(**scores), "gender": prediction(man=0.2, woman=0.8)}, track)


def write(path: Path, *tracks: str, view: View = View(), start: float = 0.0) -> Path:
    """Write subtitles for faces, of each of which there is a letter for each tenth of a second, a dot where none is."""
    with SubtitleSink(path) as sink:
        for index, letters in enumerate(zip(*tracks, strict=True)):
            faces = [face(letter, number) for number, letter in enumerate(letters, start=1) if letter != "."]
            sink.write(result(index, start + index / 10, faces=faces, view=view))
    assert sink.output == path
    return path


def cues(path: Path) -> list[tuple[float, float, str]]:
    """The start, end and text of each cue, as FFmpeg reads them."""
    with av.open(str(path)) as file:
        found = []
        for packet in file.demux(file.streams[0]):
            if packet.pts is not None and packet.time_base is not None and packet.duration:
                start, end = packet.pts * packet.time_base, (packet.pts + packet.duration) * packet.time_base
                found.append((float(start), float(end), bytes(packet).decode()))
    return found


@pytest.mark.parametrize("suffix", [".vtt", ".SRT"])
def test_a_cue_lasts_from_change_to_change_while_a_face_is_there(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", "hhhhhhhhssssssss......hhhhhhhh")
    assert cues(path) == [(0.0, 0.8, "happy, woman"), (0.8, 1.6, "sad, woman"), (2.2, 3.0, "happy, woman")]


def test_the_text_of_both_formats(tmp_path: Path) -> None:
    faces = "hhhhhhhh", "..ssssss"
    assert write(tmp_path / "a.vtt", *faces, start=3599.8).read_text() == (
        "WEBVTT\n\n00:59:59.800 --> 01:00:00.600\nFace 1: happy, woman\nFace 2: sad, woman\n\n"
    )
    assert write(tmp_path / "a.srt", *faces, start=3599.8).read_text() == (
        "1\n00:59:59,800 --> 01:00:00,600\nFace 1: happy, woman\nFace 2: sad, woman\n\n"
    )


def test_a_label_that_flickers_is_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vtt", "hhhhhhshshshhhhhhhsssshhhhhhhhh.hhhh")
    assert cues(path) == [(0.0, 3.6, "happy, woman")]


def test_several_faces_are_in_one_cue_with_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vtt", "hhhhhhhhhhhhhhhhhhhhhhhh", "......ssssss......ssssss")
    both = "Face 1: happy, woman\nFace 2: sad, woman"
    assert cues(path) == [(0, 0.6, "happy, woman"), (0.6, 1.2, both), (1.2, 1.8, "happy, woman"), (1.8, 2.4, both)]


def test_changes_that_follow_each_other_at_once_are_shown_together(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vtt", "hhhhhhhhhhssssssssss", "hhhhhhhhhhhhssssssss")
    happy, sad = ("\n".join(f"Face {number}: {mood}, woman" for number in (1, 2)) for mood in ("happy", "sad"))
    assert cues(path) == [(0.0, 1.0, happy), (1.0, 2.0, sad)]


def test_a_hidden_task_is_not_shown(tmp_path: Path) -> None:
    assert cues(write(tmp_path / "a.vtt", "hhhhhhhhhh", view=View(hide=("mood",)))) == [(0.0, 1.0, "woman")]
    assert cues(write(tmp_path / "b.vtt", "hhhhhhssss", view=View(hide=("mood", "gender")))) == []


def test_a_label_with_signs_of_the_format(tmp_path: Path) -> None:
    vtt, srt = write(tmp_path / "a.vtt", "<<<<<<"), write(tmp_path / "a.srt", "<<<<<<")
    assert vtt.read_text().splitlines()[3:] == ["&lt;i&gt; &amp; so --&gt; on, woman", ""]
    assert cues(srt) == [(0.0, 0.6, "<i> & so --> on, woman")]


def test_nobody_is_in_view(tmp_path: Path) -> None:
    assert write(tmp_path / "a.vtt", "..........").read_text() == "WEBVTT\n\n"


def test_after_an_error_the_subtitles_are_a_partial_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oops"), SubtitleSink(tmp_path / "a.srt") as sink:
        for index in range(10):
            sink.write(result(index, index / 10, faces=[face("h", 1)]))
        raise ValueError("oops")
    assert sink.output == tmp_path / "a.partial.srt"
    assert cues(sink.output) == [(0.0, 1.0, "happy, woman")]
