"""Default numbers that an option and the class behind it share. Imports nothing, so that ``--help`` stays quick."""

MIN_FACE = 1 / 14
"""The side of the smallest face to find, as a share of the picture's shorter side."""

SEARCH_EVERY = 0.2
"""Seconds of a stream within which its whole picture is searched for new faces."""

SMOOTH = 0.5
"""Seconds of a stream over which each face's scores are averaged."""
