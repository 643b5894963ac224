"""``python -m emotion_cam``, and the command ``emotion-cam``."""

from emotion_cam.cli import main

if __name__ == "__main__":
    main()
