"""The detector's network, losses, training, measuring and export, in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.detect.mini import MiniFace, MiniFaceDetector
from emotion_cam.errors import DatasetError, TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.detector import calibrate, is_detector_recipe, mining, run_stages
from emotion_cam.training.detector.batches import Views, batches
from emotion_cam.training.detector.export import export
from emotion_cam.training.detector.losses import parts
from emotion_cam.training.detector.measure import Matches, matched, overlaps, tilted
from emotion_cam.training.detector.network import VALUES, mini_face
from emotion_cam.training.detector.scenes import Floats, Scene, SceneSet
from emotion_cam.training.detector.targets import places, targets
from emotion_cam.training.detector.train import DetectorRecipe, train
from emotion_cam.training.detector.views import Focus, ViewOptions
from emotion_cam.types import Box, Image
from tests.command import emotion_cam
from tests.training.test_detector_data import NONE, scene, view_with, write_faces

RECIPE = DetectorRecipe(
    data=(("faces", ""),),
    widths=(4, 4, 8, 8, 8),
    units=(0, 1, 0, 0),
    neck=8,
    sizes=((64, 4, 1.0),),
    epochs=2,
    steps=3,
    warm_up=2,
)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    write_faces(tmp_path / "faces")
    return tmp_path / "faces"


def test_the_network_takes_any_size_and_has_few_parameters() -> None:
    network = mini_face()
    assert network.count_params() <= 90_000
    for height, width in ((96, 96), (64, 160)):
        outputs = network(np.zeros((2, height, width, 1), np.float32))
        assert [tuple(output.shape) for output in outputs] == [
            (2, height // stride, width // stride, VALUES) for stride in (8, 16, 32)
        ]


def test_the_network_sees_a_dim_picture_as_a_bright_one() -> None:
    network = mini_face()
    picture = np.random.default_rng(0).uniform(40, 240, (1, 96, 96, 1)).astype(np.float32)
    bright, dim = (np.asarray(network(picture * light)[0]) for light in (1.0, 0.3))
    assert bright == pytest.approx(dim, abs=0.02)


def perfect(truth: Floats) -> Floats:
    """What a network would have to say for these targets."""
    said = np.zeros((*truth.shape[:2], VALUES), np.float32)
    said[..., 0] = np.where(truth[..., 1] > 0, 12, -12)
    said[..., 1:3] = truth[..., 2:4]
    said[..., 3] = np.log(np.maximum(truth[..., 4], 1e-3))
    said[..., 4:] = truth[..., 5:15]
    return said


def test_losses_are_least_for_the_truth_and_tell_what_is_wrong() -> None:
    truth = targets([view_with((80, 80, 40)), view_with()])
    best = {name: float(loss) for name, loss in parts(truth, perfect(truth)).items()}
    assert best == pytest.approx({"score": 0, "square": 0, "points": 0}, abs=1e-3)
    for name, columns in (("score", slice(0, 1)), ("square", slice(1, 4)), ("points", slice(4, None))):
        wrong = perfect(truth)
        wrong[..., columns] += 1.0 if name != "score" else 12.0
        losses = {name: float(loss) for name, loss in parts(truth, wrong).items()}
        assert losses[name] > 0.05
        assert name == "square" or losses["square"] == pytest.approx(0, abs=1e-3)
        assert name == "points" or losses["points"] == pytest.approx(0, abs=1e-3)


def test_losses_stay_numbers_for_absurd_answers() -> None:
    truth = targets([view_with((80, 80, 40))])
    said = np.full((*truth.shape[:2], VALUES), 1e4, np.float32)
    assert all(np.isfinite(float(loss)) for loss in parts(truth, said).values())


def test_batches_are_the_same_for_the_same_seed_and_epoch() -> None:
    empty = Scene(np.full((90, 90), 60, np.uint8), NONE, np.zeros((0, 5, 2), np.float32), NONE)
    views = Views([SceneSet("x", (scene(), empty))], ViewOptions(), hard=[Focus(1, 45, 45, 30)])
    first, again, other = (list(batches(views, ((64, 3, 1.0),), 2, 0, epoch)) for epoch in (0, 0, 1))
    assert first[0][0].shape == (3, 64, 64, 1)
    assert first[0][1].shape[:2] == (3, len(places(64, 64)[0]))
    for (pictures, truth), (same_pictures, same_truth) in zip(first, again, strict=True):
        assert (pictures == same_pictures).all()
        assert (truth == same_truth).all()
    assert (first[0][0] != other[0][0]).any()


def test_a_stopped_run_ends_as_one_that_was_not(faces: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, data=(("faces", str(faces)),))
    whole = train(recipe, tmp_path / "whole")

    class StopError(Exception):
        pass

    def stop(message: str) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(recipe, tmp_path / "stopped", log=stop)
    resumed = train(recipe, tmp_path / "stopped", resume=True)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert a == pytest.approx(b, abs=1e-6)
    history = [json.loads(line) for line in (tmp_path / "stopped" / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in history] == [1, 2]

    with pytest.raises(TrainingError, match="--resume"):
        train(recipe, tmp_path / "stopped")
    with pytest.raises(TrainingError, match="another seed"):
        train(replace(recipe, seed=7), tmp_path / "stopped", resume=True)
    with pytest.raises(TrainingError, match="no stopped run"):
        train(recipe, tmp_path / "nowhere", resume=True)
    with pytest.raises(DatasetError, match="“celebs”"):
        train(replace(recipe, data=(("celebs", ""),)), tmp_path / "other")


def test_training_learns(faces: Path, tmp_path: Path) -> None:
    easy = ViewOptions(smallest=20, largest=40, turn=5, dark=0, uneven=0, noise=0, blur=0, jpeg=0, cover=0, nobody=0.2)
    recipe = replace(RECIPE, data=(("faces", str(faces)),), epochs=8, steps=15, learning_rate=0.01, views=easy)
    train(recipe, tmp_path / "run")
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


STAGE = """
    [[stages]]
    command = "train-detector"
    name = "one"
    data = [["faces", "faces"]]
    widths = [4, 4, 8, 8, 8]
    units = [0, 1, 0, 0]
    neck = 8
    sizes = [[64, 2, 1.0]]
    epochs = 1
    steps = 1
    """


@pytest.mark.usefixtures("faces")
def test_stages_go_on_from_each_other_and_from_their_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    goes_on = 'init = "one"\nhard = "one"\nhard_light = [1.0, 0.5]\n[stages.views]\nnobody = 0.5\n'
    file.write_text(STAGE + STAGE.replace("one", "two") + goes_on)
    stages = run_stages.read_recipe(file)
    assert stages[1].recipe.views.nobody == 0.5
    folder = run_stages.run(stages, tmp_path, tmp_path / "work")
    assert folder == tmp_path / "work" / "two"
    assert (folder / "model.keras").exists()
    assert json.loads((tmp_path / "work" / "one" / "hard.json").read_text()) == []  # a new network is sure of nothing
    assert run_stages.write_folder(stages, folder, tmp_path / "out", []) < 1e-3
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {"model.keras", "model.tflite", "history.csv", "detector.json", "README.md"}
    assert (tmp_path / "out" / "history.csv").read_text().count("\n") == 3
    before = (folder / "model.keras").stat().st_mtime_ns
    run_stages.run(stages, tmp_path, tmp_path / "work", resume=True)
    assert (folder / "model.keras").stat().st_mtime_ns == before
    for wrong, reason in (("epochs = 1", "epoch"), ('"one"\nhard', '"six"\nhard')):
        file.write_text(file.read_text().replace(wrong, f"{reason} = 1" if reason == "epoch" else reason))
        with pytest.raises(TrainingError, match="epoch" if reason == "epoch" else "not|no option"):
            run_stages.read_recipe(file)


def test_the_commands_train_measure_and_export_a_detector(faces: Path, tmp_path: Path) -> None:
    recipe, out, figures = tmp_path / "recipe.toml", tmp_path / "out", tmp_path / "figures.json"
    recipe.write_text(STAGE)
    arguments: list[str | Path] = ["train", "--recipe", recipe, "--data-folder", tmp_path, "--out", out]
    made = emotion_cam(*arguments)
    assert made.exit_code == 0, made.output
    assert f"Wrote {out}; LiteRT and Keras differ by" in made.stdout
    state = tmp_path / "out.training" / "one" / "model.keras"
    before = state.stat().st_mtime_ns
    for restart in (False, True):
        assert emotion_cam(*arguments, *["--restart"] * restart).exit_code == 0
        assert (state.stat().st_mtime_ns > before) == restart

    measured = emotion_cam("evaluate", out, "--data", f"faces={faces}", "--json", figures, "--card")
    assert measured.exit_code == 0, measured.output
    assert "45°" in measured.stdout  # words may be on several lines
    written = json.loads(figures.read_text())
    assert written["set"] == "faces validation"
    assert written["by"] == "emotion-cam evaluate models/face --data faces=data/faces"
    assert json.loads((out / "detector.json").read_text())["measured"] == written
    assert written["by"] in (out / "README.md").read_text()

    (out / "model.tflite").unlink()
    exported = emotion_cam("export", out, "--data", f"faces={faces}")
    assert exported.exit_code == 0, exported.output
    assert "equal to model.keras within" in exported.stdout
    assert "pictures of faces validation" in exported.stdout
    assert (out / "model.tflite").exists()
    refusals: tuple[tuple[list[str | Path], str], ...] = (
        (["export", out, "--data", f"faces={faces}", "--calibrate"], "leave out --calibrate"),
        (["evaluate", out, "--data", f"faces={faces}", "--roll"], "leave out --framing and --roll"),
        (["evaluate", out, "--data", "fairface=nowhere"], "measured on one of faces, wider, and on fairface"),
        (["evaluate", out, "--data", f"faces={faces}", "--data", "fairface=nowhere"], "nowhere/fairface_label_val.csv"),
        (["export", out, "--data", "celebs=nowhere"], "“celebs”; there are faces, wider"),
    )
    for wrong, message in refusals:
        refused = emotion_cam(*wrong)
        assert refused.exit_code in (1, 2)
        assert message in refused.stderr


def test_a_recipe_is_a_detectors_by_its_command(tmp_path: Path) -> None:
    recipes = Path(__file__).parents[2] / "recipes"
    assert [is_detector_recipe(recipes / name) for name in ("detector/face.toml", "gender.toml")] == [True, False]
    (tmp_path / "no.toml").write_text("stages = 1")
    assert not any(is_detector_recipe(tmp_path / name) for name in ("no.toml", "missing.toml"))
    assert run_stages.read_recipe(recipes / "detector/face.toml")[0].name == "face-1"


def test_what_is_exported_says_the_same(tmp_path: Path) -> None:
    network = mini_face(RECIPE.widths, RECIPE.units, RECIPE.neck)
    assert export(network, tmp_path / "model.tflite") < 1e-3
    assert MiniFaceDetector(tmp_path / "model.tflite")(np.zeros((480, 640, 3), np.uint8)) == []
    assert keras.backend.backend() == "tensorflow"


def answers(*faces: tuple[float, float, float, float]) -> list[MiniFace]:
    return [MiniFace(*face, points=np.zeros((5, 2), np.float32)) for face in faces]


def test_matches_count_faces_once_and_spare_what_is_ignored() -> None:
    crowd = Scene(
        np.zeros((100, 100), np.uint8),
        np.array([[30, 30, 20], [70, 70, 20], [10, 90, 3]], np.float32),
        np.zeros((3, 5, 2), np.float32),
        np.array([[80, 20, 20]], np.float32),
    )

    def find(image: Image) -> list[MiniFace]:
        # A face; the same again; something to ignore; one too small to count; a mistake; the other face.
        return answers(
            (0.9, 31, 30, 20),
            (0.8, 30, 31, 20),
            (0.85, 80, 20, 18),
            (0.7, 10, 90, 3),
            (0.6, 50, 50, 20),
            (0.5, 70, 71, 21),
        )

    matches = matched(find, [crowd])
    assert matches.is_face.tolist() == [True, False, False, True]
    assert matches.scores.tolist() == pytest.approx([0.9, 0.8, 0.6, 0.5])
    assert matches.found_at.tolist() == pytest.approx([0.9, 0.5])
    assert matches.average_precision == pytest.approx((1 + 0.5) / 2)
    assert matches.recall(0.6) == 0.5
    assert matches.false_boxes(0.7) == 1
    assert matches.threshold_at(0.0) > 0.8
    assert matches.recall_at(0.0) == 0.5
    assert matches.recall_at(2.0) == 1


def test_nothing_found_is_no_precision() -> None:
    matches = matched(lambda image: [], [scene()])
    assert (matches.average_precision, matches.recall_at(0.01)) == (0, 0)
    assert isinstance(matches, Matches)


def test_overlaps_of_squares() -> None:
    square = np.array([10, 10, 10], np.float32)
    others = np.array([[10, 10, 10], [15, 10, 10], [40, 40, 10], [10, 10, 20]], np.float32)
    assert overlaps(square, others).tolist() == pytest.approx([1, 1 / 3, 0, 0.25])
    assert overlaps(square, others, of_first=True).tolist() == pytest.approx([1, 0.5, 0, 1])


def test_a_tilted_scene_has_its_faces_where_they_are_seen() -> None:
    turned = tilted(scene(60, 50, 40), 90)
    # The middle of 160 × 120 is (80, 60): what is 20 left of it comes to lie 20 below.
    assert turned.squares[0].tolist() == pytest.approx([70, 80, 40])
    x, y = (round(float(value)) for value in turned.points[0, 2])
    assert abs(int(turned.image[y, x]) - 160) < 30


def test_hard_negatives_are_away_from_all_that_is_marked() -> None:
    empty = Scene(np.zeros((100, 100), np.uint8), NONE, np.zeros((0, 5, 2), np.float32), NONE)
    found = answers((0.9, 20, 20, 10), (0.6, 60, 50, 38), (0.5, 140, 100, 10))
    assert mining.mine(lambda image: found, [empty], most=2) == [Focus(0, 20, 20, 10), Focus(0, 60, 50, 38)]
    # Beside faces an answer may be right where it is sure.
    assert mining.mine(lambda image: found, [scene()]) == [Focus(0, 140, 100, 10)]


def test_sides_are_brought_to_the_cascades() -> None:
    class Small(MiniFaceDetector):
        """Sees every face four fifths as large as where it is told to look."""

        def __init__(self) -> None:
            pass

        def look(self, image: Image, near: Box, least: float) -> MiniFace:
            (face,) = answers((0.9, 60, 50, 0.8 * near.width))
            return face

    whole, cut, small = scene(60, 50, 60), scene(20, 50, 60), scene(60, 50, 40)
    cascade = [Box(30, 20, 90, 80)]
    assert calibrate.side_ratio(Small(), lambda image: cascade, [cut, whole, small]) == pytest.approx(1.25)
    assert calibrate.side_ratio(Small(), lambda image: [], [whole]) == 1

    network = mini_face(RECIPE.widths, RECIPE.units, RECIPE.neck)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 96, 96, 1)).astype(np.float32)
    before = [np.array(output) for output in network(picture)]
    calibrate.scale_sides(network, 1.25)
    for old, new in zip(before, network(picture), strict=True):
        changed = np.asarray(new) - old
        assert np.exp(changed[..., 3]) == pytest.approx(1.25, abs=1e-4)
        assert np.delete(changed, 3, axis=-1) == pytest.approx(0, abs=1e-5)
