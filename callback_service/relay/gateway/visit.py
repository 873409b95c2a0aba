"""Who asks, which server, and by which of its addresses."""

from dataclasses import dataclass

from callback_service.domain.server import Access, Server
from callback_service.domain.task import TaskKey
from callback_service.domain.tes import Variant
from callback_service.relay.ports import Method, Question


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the gateway.

    `authorization` are credentials of the caller's own, which the server shall see.
    `client` is what a program's requests have in common, and others' have not.
    `is_lasting` says that the same caller would be the same owner again: without the key of
    fingerprints it would not, and nothing may be kept under that name.
    """

    server: Server
    variant: Variant
    owner: str
    authorization: str | None = None
    is_lasting: bool = True
    client: str = ""

    @property
    def shows_own(self) -> bool:
        return self.server.access is Access.PASS

    def key(self, task_id: str) -> TaskKey:
        return TaskKey(self.owner, self.server.key, task_id)

    def question(
        self, path: str, query: str = "", method: Method = Method.GET, body: bytes | None = None
    ) -> Question:
        return Question(path, method, query, body, self.authorization, is_callers=self.shows_own)
