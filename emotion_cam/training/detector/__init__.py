"""Trains the face detector: pictures with boxes, views of them, the network, its losses, training and measuring.

The camera imports none of it; what runs the trained network is ``emotion_cam/detect/mini.py``.
"""
