"""The database as the service sees it: through a proxy that can do it harm."""

from pathlib import Path

from tests.e2e.processes import Database
from tests.faults.proxy import Proxy


class ProxiedDatabase(Database):
    """Tests look past the proxy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.proxy = Proxy("127.0.0.1", self.port)

    @property
    def service_uri(self) -> str:
        return self.uri.replace(f":{self.port}/", f":{self.proxy.port}/")

    def start(self) -> None:
        super().start()
        self.proxy.open()

    def end(self) -> None:
        self.proxy.close()
        super().end()
