"""Faults from outside: full disks, lost folders, signals, broken cameras and streams, sizes without measure."""
