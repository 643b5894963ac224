"""The loop of Mini-Xception's authors, written after video_emotion_gender_demo.py in
github.com/oarriaga/face_classification: a full Haar scan of every frame, and for every face one call of model.predict
for each network. The networks are this project's, with the same architecture. Needs the extra “train”.

    python published_loop.py CLIP OUT.mp4

Prints as JSON the number of frames and their seconds of wall clock and processor time, without imports and loading.
"""

import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from statistics import mode

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np

from emotion_cam.keras_files import read_newer_files

MODELS = Path(__file__).parent.parent / "models"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
GENDERS = ("man", "woman")


def main() -> None:
    read_newer_files(keras)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]
    emotion = keras.models.load_model(MODELS / "emotion" / "model.keras", compile=False)
    gender = keras.models.load_model(MODELS / "gender" / "model.keras", compile=False)
    for model in (emotion, gender):  # the first call compiles
        model.predict(np.zeros((1, *model.input_shape[1:])), verbose=0)
    window: dict[str, deque[str]] = {"emotion": deque(maxlen=10), "gender": deque(maxlen=10)}

    capture = cv2.VideoCapture(sys.argv[1])
    fps = capture.get(cv2.CAP_PROP_FPS)
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(sys.argv[2], cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    frames = 0
    wall, cpu = time.perf_counter(), time.process_time()
    while True:
        arrived, image = capture.read()
        if not arrived:
            break
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        for x, y, width, height in cascade.detectMultiScale(gray, 1.3, 5):
            face = gray[y : y + height, x : x + width]
            shown = []
            for task, model, labels in (("emotion", emotion, EMOTIONS), ("gender", gender, GENDERS)):
                crop = cv2.resize(face, model.input_shape[1:3]).astype("float32")[None, ..., None]
                window[task].append(labels[int(np.argmax(model.predict(crop, verbose=0)))])
                shown.append(mode(window[task]))
            cv2.rectangle(image, (x, y), (x + width, y + height), (0, 255, 0), 2)
            cv2.putText(image, " ".join(shown), (x, y - 10), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 255, 0), 1, cv2.LINE_AA)
        writer.write(image)
        frames += 1
    writer.release()
    print(json.dumps({"frames": frames, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
