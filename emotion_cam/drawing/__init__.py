"""Drawing: boxes, labels, softmax bars, blurred faces and class activation maps.

``annotate`` in ``draw`` draws faces into a copy of a picture, as a ``View`` asks for.
"""

from __future__ import annotations

from emotion_cam.drawing.view import View

__all__ = ["View"]
