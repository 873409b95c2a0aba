"""Tells WES runs what becomes of their TES tasks, so that nobody has to poll."""

__version__ = "0.1.0"
