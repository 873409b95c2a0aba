"""One `up`, from the first check to the last process."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Protocol

from callback_service.domain.errors import InvalidInput
from callback_service.domain.server import check_server_url
from callback_service.embedded import ports, preflight
from callback_service.embedded.banner import banner
from callback_service.embedded.child import Child, Patience, tether
from callback_service.embedded.errors import CannotStart, GaveUp
from callback_service.embedded.folder import DataFolder
from callback_service.embedded.once import run_once
from callback_service.embedded.signals import Signals
from callback_service.embedded.stack import OneShot, Options, Programs, Surroundings, stack
from callback_service.embedded.supervisor import Supervisor

STOPPED, GAVE_UP, CANNOT_START, FORCED = 0, 1, 2, 130


class Screen(Protocol):
    def show(self, lines: Sequence[str]) -> None:
        """What was asked for."""

    def tell(self, line: str) -> None:
        """What happens meanwhile."""

    def fail(self, sentence: str) -> None:
        """Why it does not start or does not go on."""


@dataclass(frozen=True, slots=True)
class Session:
    options: Options
    surroundings: Surroundings
    screen: Screen
    programs: Programs = field(default_factory=Programs)
    patience: Patience = field(default_factory=Patience)
    ready_within: float = 60.0

    def run(self) -> int:
        """Until somebody stops it; the answer is the exit code."""
        folder = DataFolder(self.options.data.expanduser().absolute())
        try:
            self._check_options()
            with folder.lock(), tether() as pipe, Signals() as signals:
                token = self._prepare(folder)
                whole = stack(self.options, folder, self.surroundings, self.programs)
                children = [Child(command, pipe, self.patience) for command in whole.commands]
                supervisor = Supervisor(children, signals, self.screen.tell)
                ready = banner(self.options, folder, self.surroundings, token)
                status = self._attend(supervisor, whole.registration, ready)
                return FORCED if signals.force_asked else status
        except CannotStart as error:
            self.screen.fail(str(error))
            return CANNOT_START

    def _attend(
        self, supervisor: Supervisor, registration: OneShot | None, ready: Sequence[str]
    ) -> int:
        status = STOPPED
        try:
            supervisor.start()
            if supervisor.wait_until(self._is_ready, self.ready_within):
                if registration:
                    run_once(registration)
                self.screen.show(ready)
                supervisor.watch()
        except GaveUp as error:
            self.screen.fail(str(error))
            status = GAVE_UP
        finally:
            self.screen.tell("Stopping; Ctrl-C again kills what is left.")
            supervisor.stop()
            self.screen.tell("Stopped.")
        return status

    def _check_options(self) -> None:
        try:
            check_server_url(self.options.tes or "http://none")
        except InvalidInput as error:
            # Without the URL: a password in it may be what is wrong.
            raise CannotStart(f"--tes: the URL {error.reason}.") from None
        if not self._asks_for_token() and not ports.is_loopback(self.options.host):
            raise CannotStart(
                f"Without authentication the service listens on this machine only, not on "
                f"{self.options.host}: leave out --host or --no-auth (CALLBACK_AUTH=off)."
            )

    def _prepare(self, folder: DataFolder) -> str | None:
        ports.require_free(self.options.host, self.options.port)
        if uri := self.surroundings.database:
            preflight.require_database(uri)
        else:
            folder.wait_for_database()
        if url := self.surroundings.broker:
            preflight.require_broker(url)
        folder.prepare()
        if self._asks_for_token() and not self.surroundings.tokens:
            return folder.api_token()
        return None

    def _asks_for_token(self) -> bool:
        return self.surroundings.asks_for_token(self.options)

    def _is_ready(self) -> bool:
        address = ports.reachable(self.options.host), self.options.port
        with closing(HTTPConnection(*address, timeout=1)) as connection:
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except (OSError, HTTPException):
                return False
