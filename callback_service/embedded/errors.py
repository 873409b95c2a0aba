"""Why `up` does not start or does not go on; each text is one sentence for whoever typed it."""


class CannotStart(Exception):
    """Something has to be changed before `up` can run."""


class GaveUp(Exception):
    """A part of the service does not stay alive, or the whole does not get ready."""
