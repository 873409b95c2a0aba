"""The failure of a server that did answer."""


class Unusable(Exception):
    """An answer came, but not one that can be handed on; the text goes on after the server."""
