from collections.abc import Iterable


class FakeWaiters:
    """Records whom it was told to wake."""

    def __init__(self) -> None:
        self.notified: set[str] = set()

    def notify(self, topics: Iterable[str]) -> None:
        self.notified |= set(topics)
