"""Recognizes faces: finds them, follows them through a stream, and predicts labels for each."""

from emotion_cam.recognition.spec import ModelSpec

__all__ = ["ModelSpec"]
