"""The updates of a run, each once."""

from callback_service.entrypoints.cli.service_client import Json, Refused, ServiceClient, path_of

_PAGE = 1000


class Feed:
    def __init__(self, service: ServiceClient, run_id: str) -> None:
        self._service = service
        self._path = path_of("runs", run_id, "updates")
        self._cursor = ""
        self._told: dict[tuple[str, str], int] = {}

    def next(self, wait: float) -> tuple[list[Json], bool]:
        """What is new, and whether more is there already."""
        query = {"after": self._cursor, "wait": wait, "page_size": _PAGE}
        try:
            page = self._service.get(self._path, query, wait)
        except Refused as error:
            if error.status != 410 or not self._cursor:
                raise
            # Older than what is kept. What is told again from the beginning is left out below.
            self._cursor = ""
            return self.next(0)
        self._cursor = page["cursor"]
        return [one for one in page["updates"] if self._is_new(one)], len(page["updates"]) >= _PAGE

    def _is_new(self, update: Json) -> bool:
        key = update["server"], update["task_id"]
        if update["seq"] <= self._told.get(key, 0):
            return False
        self._told[key] = update["seq"]
        return True
