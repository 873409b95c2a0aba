import secrets
from datetime import datetime

from tests.fakes.store.fake_store import FakeStore


class FakeFingerprints(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._key = secrets.token_bytes(32)
        self._denied: dict[tuple[str, str], datetime] = {}

    def key(self) -> bytes:
        with self._open():
            return self._key

    def deny(self, owner: str, server: str, at: datetime) -> None:
        with self._open():
            self._denied[owner, server] = max(self._denied.get((owner, server), at), at)

    def denied_at(self, owner: str, server: str) -> datetime | None:
        with self._open():
            return self._denied.get((owner, server))

    def forget(self, before: datetime) -> int:
        with self._open():
            number = len(self._denied)
            self._denied = {who: at for who, at in self._denied.items() if at >= before}
            return number - len(self._denied)
