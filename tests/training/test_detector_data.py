"""The detector's pictures and views, without a network."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import DatasetError
from emotion_cam.training.detector.scenes import (
    POINTS,
    Floats,
    Scene,
    SceneSet,
    load_cutouts,
    load_faces,
    load_wider,
    square_of_points,
    squares_of,
)
from emotion_cam.training.detector.targets import COLUMNS, places, targets
from emotion_cam.training.detector.views import (
    Focus,
    View,
    ViewOptions,
    as_filmed,
    draw,
    framed,
    glimpsed,
    pasted,
    warped,
)
from emotion_cam.types import Image

NONE: Floats = np.zeros((0, 3), np.float32)
UPRIGHT = np.array([[-0.17, -0.12], [0.17, -0.12], [0, 0.09], [-0.13, 0.25], [0.13, 0.25]], np.float32)


def scene(x: float = 60, y: float = 50, side: float = 40) -> Scene:
    """A gray picture with a face whose landmarks are dots, each of its own brightness."""
    image = np.full((120, 160), 30, np.uint8)
    points = (np.array([x, y]) + side * UPRIGHT).astype(np.float32)
    for number, point in enumerate(points):
        cv2.circle(image, tuple(int(value) for value in point.round()), 2, 100 + 30 * number, -1)
    return Scene(image, np.array([[x, y, side]], np.float32), points[None], NONE)


def write_faces(folder: Path) -> None:
    """The data set ``faces`` in small: a face, a box to ignore, a face that the edge cuts, a picture without faces."""
    names = [f"{name}_{axis}" for name in POINTS for axis in "xy"]
    corners = ["x1", "y1", "x2", "y2"]
    columns = ["file", "split", "source", "width", "height", *corners, "score", "ignore", *names]
    points = (np.array([50, 40]) + 56 * UPRIGHT).ravel()
    cut = (np.array([20, 60]) + 56 * UPRIGHT).ravel()
    rows = [
        ["pictures/0.jpg", "train", "x", 160, 120, 30, 15, 70, 77.5, 0.9, 0, *points],
        ["pictures/0.jpg", "train", "x", 160, 120, 100, 60, 120, 80, 0.3, 1, *[""] * 10],
        ["pictures/1.jpg", "train", "y", 160, 120, 0, 30, 40, 90, 0.9, 0, *cut],
        ["pictures/2.jpg", "train", "y", 160, 120, *[""] * 16],
        ["pictures/3.jpg", "validation", "y", 160, 120, 30, 15, 70, 77.5, 0.9, 0, *[""] * 10],
    ]
    (folder / "pictures").mkdir(parents=True)
    for number in range(4):
        cv2.imwrite(str(folder / "pictures" / f"{number}.jpg"), np.full((120, 160), 50, np.uint8))
    with (folder / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([columns, *rows])


def test_a_box_of_yunet_becomes_the_cascades_square() -> None:
    (square,) = squares_of(np.array([[30, 15, 70, 77.5]], np.float32))
    assert square.tolist() == pytest.approx([50, 46.25, 56])


def test_faces_with_what_to_ignore_and_cut_ones_by_their_landmarks(tmp_path: Path) -> None:
    write_faces(tmp_path)
    faces = load_faces(tmp_path, "train")
    assert [len(scene.squares) for scene in faces.scenes] == [1, 1, 0]
    assert [len(scene.ignored) for scene in faces.scenes] == [1, 0, 0]
    assert faces.scenes[0].squares[0].tolist() == pytest.approx([50, 46.25, 56])
    assert faces.scenes[0].points[0, 1].tolist() == pytest.approx([50 + 0.17 * 56, 40 - 0.12 * 56], abs=0.01)
    assert faces.scenes[1].squares[0].tolist() == pytest.approx([20, 60, 56], abs=2)
    assert [scene.name for scene in faces.without_faces] == ["pictures/2.jpg"]
    (only,) = load_faces(tmp_path, "validation").scenes
    assert np.isnan(only.points).all()


def test_landmarks_of_a_tilted_face_tell_its_square() -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert square_of_points(30 * (UPRIGHT @ turn.T).astype(np.float32) + 40) == pytest.approx((40, 40, 30), abs=1)


def test_faces_that_are_not_there_or_damaged_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not the data set faces"):
        load_faces(tmp_path, "train")
    write_faces(tmp_path)
    with pytest.raises(DatasetError, match="“test”"):
        load_faces(tmp_path, "test")
    (tmp_path / "pictures" / "2.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"2\.jpg"):
        load_faces(tmp_path, "train")
    (tmp_path / "labels.csv").write_text("file,split\na,train\n")
    with pytest.raises(DatasetError, match="not the table"):
        load_faces(tmp_path, "train")


def test_wider_face_in_its_official_layout(tmp_path: Path) -> None:
    (tmp_path / "wider_face_split").mkdir()
    (tmp_path / "WIDER_val" / "images" / "0--Parade").mkdir(parents=True)
    for number in range(2):
        file = tmp_path / "WIDER_val" / "images" / "0--Parade" / f"{number}.jpg"
        cv2.imwrite(str(file), np.full((640, 1280, 3), 50, np.uint8))
    table = tmp_path / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    table.write_text(
        "0--Parade/0.jpg\n3\n100 100 80 125 0 0 0 0 0 0\n500 100 8 12 2 0 0 0 0 0\n700 100 80 100 0 0 0 0 2 0\n"
        "0--Parade/1.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
    )
    crowd, empty = load_wider(tmp_path, "validation").scenes
    assert crowd.image.shape == (320, 640)
    assert crowd.squares[0].tolist() == pytest.approx([70, 81.25, 56])
    assert (len(crowd.squares), len(crowd.ignored)) == (1, 2)
    assert (len(empty.squares), len(empty.ignored)) == (0, 0)
    table.write_text("0--Parade/0.jpg\n3\n100 100 80\n")
    with pytest.raises(DatasetError, match="not WIDER FACE's table"):
        load_wider(tmp_path, "validation")


def test_cutouts_are_training_faces_that_the_cascade_saw(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,haar,split\na.jpg,1,train\nb.jpg,0,train\nc.jpg,1,validation\n")
    assert load_cutouts(table) == [tmp_path / "a.jpg"]
    table.write_text("name\na.jpg\n")
    with pytest.raises(DatasetError, match="no column 'file'"):
        load_cutouts(table)


def dot(view: View, number: int) -> int:
    """How bright a view is at a landmark."""
    x, y = (round(float(value)) for value in view.points[0, number])
    return int(view.image[y, x])


@pytest.mark.parametrize("seed", range(12))
def test_a_view_moves_faces_as_it_moves_the_picture(seed: int) -> None:
    options = ViewOptions(smallest=60, largest=90)
    rng, room = np.random.default_rng(seed), np.full((160, 160), 7, np.uint8)
    view = framed(scene(), 160, Focus(0, 60, 50, 40), options, rng, room)
    assert 60 <= view.squares[0, 2] <= 91
    assert (np.abs(view.squares[0, :2] - 80) < 80).all()
    # The dots' brightness tells whether the picture is mirrored; then its right eye is what was the left one.
    plain, mirrored = [100, 130, 160, 190, 220], [130, 100, 160, 220, 190]
    inside = [number for number in range(5) if (np.abs(view.points[0, number] - 80) < 76).all()]
    seen = [dot(view, number) for number in inside]
    assert any(np.allclose(seen, [expected[number] for number in inside], atol=14) for expected in (plain, mirrored))


def test_a_shrunken_view_is_not_shifted() -> None:
    image = np.zeros((160, 160), np.uint8)
    image[72:88, 72:88] = 255
    small = Scene(image, np.array([[79.5, 79.5, 16]], np.float32), np.full((1, 5, 2), np.nan, np.float32), NONE)
    matrix = np.array([[0.25, 0, 0.25 * 0.5 - 0.5], [0, 0.25, 0.25 * 0.5 - 0.5]], np.float32)
    view = warped(small, 40, matrix, np.zeros((40, 40), np.uint8))
    y, x = np.nonzero(view.image > 127)
    assert (x.mean(), y.mean()) == pytest.approx(tuple(view.squares[0, :2]), abs=0.6)


def test_where_the_picture_ends_the_room_is_seen() -> None:
    empty = Scene(np.full((40, 40), 200, np.uint8), NONE, np.zeros((0, 5, 2), np.float32), NONE)
    view = glimpsed(empty, 96, ViewOptions(), np.random.default_rng(1), np.full((96, 96), 7, np.uint8))
    assert {7, 200} == set(np.unique(view.image)) & {7, 200}
    edges = glimpsed(empty, 96, ViewOptions(), np.random.default_rng(1), None)
    assert set(np.unique(edges.image)) == {200}


def test_a_pasted_face_is_where_its_square_is_and_away_from_others() -> None:
    room = View(
        np.full((160, 160), 90, np.uint8), np.array([[40, 40, 50]], np.float32), np.zeros((1, 5, 2), np.float32), NONE
    )
    face = np.full((80, 80), 220, np.uint8)
    options = ViewOptions(smallest=30, largest=40)
    for seed in range(5):
        view = pasted(face, 1 / 8, room._replace(image=room.image.copy()), options, np.random.default_rng(seed))
        if len(view.squares) == 2:
            x, y, side = view.squares[1]
            assert 30 <= side <= 40
            assert max(abs(x - 40), abs(y - 40)) > 45
            assert abs(int(view.image[int(y), int(x)]) - 90) > 5
            assert view.image[150 if y < 80 else 5, 5] == 90
            break
    else:
        pytest.fail("no face was pasted")


def test_drawings_change_a_picture_in_place_and_are_various() -> None:
    drawn = []
    for seed in range(4):
        image = np.full((160, 160), 90, np.uint8)
        draw(image, np.random.default_rng(seed))
        drawn.append(image)
        assert 50 < (image != 90).sum() < 25_000
    assert all((drawn[0] != other).any() for other in drawn[1:])


def test_poor_light_is_dark_and_leaves_the_faces() -> None:
    seen = View(scene().image[:96, :96], scene().squares, scene().points, NONE)
    dark = as_filmed(seen._replace(image=seen.image.copy()), ViewOptions(dark=1, noise=0), np.random.default_rng(4))
    assert dark.image.dtype == np.uint8
    assert dark.image.shape == seen.image.shape
    assert dark.image.mean() < seen.image.mean()
    assert (dark.squares == seen.squares).all()


def view_with(*squares: tuple[float, float, float], ignored: tuple[tuple[float, float, float], ...] = ()) -> View:
    faces = np.array(squares, np.float32).reshape(-1, 3)
    points: Floats = (faces[:, None, :2] + faces[:, None, 2:] * UPRIGHT).astype(np.float32)
    image: Image = np.zeros((160, 160), np.uint8)
    return View(image, faces, points, np.array(ignored, np.float32).reshape(-1, 3))


def test_places_near_a_face_see_it_at_the_stride_of_its_size() -> None:
    centers, strides = places(160, 160)
    (target,) = targets([view_with((80, 80, 50))])
    assert target.shape == (len(centers), COLUMNS)
    sees = target[:, 1] > 0
    assert set(strides[sees]) == {16}
    assert (np.linalg.norm(centers[sees] - 80, axis=1) < 0.35 * 50).all()
    row = int(np.flatnonzero(sees)[0])
    assert target[row, 2:4] * 16 + centers[row] == pytest.approx([80, 80])
    assert target[row, 4] * 16 == pytest.approx(50)
    eye = target[row, 5:7] * 16 + centers[row]
    assert eye == pytest.approx([80 - 0.17 * 50, 80 - 0.12 * 50])
    assert target[row, 15] == target[row, 1]
    assert not target[sees, 0].any()


def test_the_smallest_face_is_seen_by_the_nearest_place() -> None:
    (target,) = targets([view_with((80, 80, 7))])
    assert (target[:, 1] > 0).sum() == 1


def test_a_face_without_landmarks_teaches_its_square_alone() -> None:
    view = view_with((80, 80, 30))
    (target,) = targets([view._replace(points=np.full((1, 5, 2), np.nan, np.float32))])
    assert target[:, 1].any()
    assert not target[:, 15].any()
    assert np.isfinite(target).all()


def test_what_is_ignored_or_hardly_seen_is_neither_face_nor_background() -> None:
    centers, _ = places(160, 160)
    (target,) = targets([view_with((150, 4, 4), (-12, 80, 30), ignored=((80, 80, 30),))])
    assert not target[:, 1].any()
    assert target[:, 0].sum() < len(centers)
    assert target[int(np.linalg.norm(centers[:400] - 80, axis=1).argmin()), 0] == 0  # of stride 8
    assert target[int(np.linalg.norm(centers - (40, 140), axis=1).argmin()), 0] == 1


def test_sets_know_which_pictures_show_nobody() -> None:
    empty = Scene(np.zeros((9, 9), np.uint8), NONE, np.zeros((0, 5, 2), np.float32), NONE)
    scenes = SceneSet("x train", (scene(), empty))
    assert (len(scenes.with_faces), len(scenes.without_faces)) == (1, 1)
