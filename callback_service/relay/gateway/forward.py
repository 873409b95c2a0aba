"""A question that the server has to answer."""

import logging
import time

from callback_service.domain.errors import ServerFailed
from callback_service.relay.gateway.acceptance import Acceptance
from callback_service.relay.gateway.answer import is_success
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Question, Reply, TesServers

log = logging.getLogger(__name__)

_REFUSALS = frozenset({401, 403})


class Forwarder:
    """Asks once, whatever happens, and writes the one line that tells of it."""

    def __init__(self, tes: TesServers, acceptance: Acceptance) -> None:
        self._tes = tes
        self._acceptance = acceptance

    def ask(self, visit: Visit, question: Question) -> Reply:
        """The server's answer or its error. Raises `ServerFailed` where there is neither."""
        fields: dict[str, object] = {
            "server": visit.server.key,
            "method": str(question.method),
            "path": question.path,
        }
        begun, level = time.monotonic(), logging.INFO
        try:
            reply = self._tes.ask(visit.server, question)
            fields["status"] = reply.status
        except ServerFailed as error:
            fields["error"], level = str(error), logging.WARNING
            raise
        finally:
            fields["latency_ms"] = round((time.monotonic() - begun) * 1000, 1)
            log.log(level, "gateway.forwarded", extra={"fields": fields})
        self._check(visit, reply)
        return reply

    def _check(self, visit: Visit, reply: Reply) -> None:
        if not is_success(reply.status) and not 400 <= reply.status < 600:
            raise ServerFailed(f"the TES server answered {reply.status}, which is no answer")
        if reply.status not in _REFUSALS:
            return
        if not visit.shows_own:
            # The caller could do nothing about it.
            raise ServerFailed(
                f"the TES server answered {reply.status} to this service's credentials; "
                f"an operator must set those of server {visit.server.key!r}"
            )
        self._acceptance.deny(visit)
