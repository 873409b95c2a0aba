from collections.abc import Iterable


class FakeDoorbell:
    """Records each ring; `answer()` takes them, as a worker would."""

    def __init__(self) -> None:
        self.rings: list[set[str]] = []

    def ring(self, run_ids: Iterable[str]) -> None:
        if rung := set(run_ids):
            self.rings.append(rung)

    @property
    def rung(self) -> set[str]:
        return set().union(*self.rings)

    def answer(self) -> set[str]:
        rung = self.rung
        self.rings.clear()
        return rung
