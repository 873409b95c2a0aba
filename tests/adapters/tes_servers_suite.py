"""What every way of asking TES servers does."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Method, Question, TesServers
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.faults import Answer, Faults, On

# Long enough for a machine that is busy with other tests.
TIMEOUT = 2.0
MAX_RESPONSE = 64 * 1024
TOKEN = "of-the-operator"
CREDENTIALS = "operators"

LIST = Question("/tasks", query="view=MINIMAL")
TASK = json.dumps({"executors": [{"image": "alpine", "command": ["true"]}]}).encode()
CREATE = Question("/tasks", Method.POST, body=TASK)


@dataclass
class Asked:
    """A server and somebody who asks it."""

    servers: TesServers
    server: Server
    core: SimulatedServer
    now: Callable[[], datetime]

    def ask(self, question: Question, **server: Any) -> Any:
        reply = self.servers.ask(replace(self.server, **server), question)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def fail(self, question: Question = LIST, **faults: Any) -> ServerFailed:
        """How a question fails while the server has these faults."""
        self.core.set_faults(Faults(**faults), self.now())
        with pytest.raises(ServerFailed) as failed:
            self.servers.ask(self.server, question)
        self.core.set_faults(Faults(), self.now())
        return failed.value

    @property
    def created(self) -> int:
        return len(self.core.tasks())


class TesServersSuite:
    def test_an_answer_comes_as_it_is(self, asked: Asked):
        reply = asked.servers.ask(asked.server, LIST)
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("application/json")
        assert len(json.loads(reply.body)["tasks"]) == 3

    def test_path_and_query_arrive(self, asked: Asked):
        listed = asked.ask(Question("/tasks", query="view=MINIMAL&page_size=2"))
        assert len(listed["tasks"]) == 2
        task_id = listed["tasks"][0]["id"]
        assert asked.ask(Question(f"/tasks/{task_id}"))["id"] == task_id

    def test_a_task_is_created_and_canceled(self, asked: Asked):
        task_id = asked.ask(CREATE)["id"]
        asked.ask(Question(f"/tasks/{task_id}:cancel", Method.POST))
        assert asked.ask(Question(f"/tasks/{task_id}"))["state"] == "CANCELED"

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
    def test_a_refusal_is_an_answer(self, asked: Asked, status: int):
        asked.ask(LIST)
        asked.core.set_faults(Faults(answer=Answer.ERROR, status=status), asked.now())
        reply = asked.servers.ask(asked.server, LIST)
        assert (reply.status, bool(reply.body)) == (status, True)

    @pytest.mark.parametrize("base", ["/ga4gh/tes/v1", "/v1", ""])
    @pytest.mark.parametrize("is_named", [True, False])
    def test_a_server_is_found_below_each_base(self, asked: Asked, base: str, is_named: bool):
        asked.core.profile = replace(asked.core.profile, prefixes=(base,))
        url = f"{asked.server.url}{base}" if is_named else asked.server.url
        assert asked.ask(LIST, url=url)["tasks"]
        assert asked.ask(CREATE, url=url)["id"]

    def test_a_server_that_is_no_tes_server_fails(self, asked: Asked):
        asked.core.profile = replace(asked.core.profile, prefixes=("/elsewhere",))
        with pytest.raises(ServerFailed, match="does not answer as one"):
            asked.servers.ask(asked.server, LIST)

    def test_a_server_that_hangs_up_fails(self, asked: Asked):
        failure = asked.fail(answer=Answer.HANG_UP)
        assert not failure.is_late
        assert "tes-1 closed the connection" in str(failure)

    def test_a_task_whose_answer_is_lost_was_created_once(self, asked: Asked):
        failure = asked.fail(CREATE, answer=Answer.LOST, on=On.CREATE)
        assert not failure.is_late
        assert asked.created == 4

    def test_a_task_whose_answer_is_late_was_created_once(self, asked: Asked):
        failure = asked.fail(CREATE, delay=2 * TIMEOUT, on=On.CREATE)
        assert failure.is_late
        assert asked.created == 4

    @pytest.mark.parametrize("faults", [{"delay": 2 * TIMEOUT}, {"drip": TIMEOUT / 8}])
    def test_a_server_that_takes_too_long_is_late(self, asked: Asked, faults: dict[str, Any]):
        failure = asked.fail(**faults)
        assert failure.is_late
        assert str(failure) == f"the TES server tes-1 did not answer within {TIMEOUT:g} s"

    def test_an_answer_without_an_end_is_not_read_to_its_end(self, asked: Asked):
        asked.ask(LIST)
        failure = asked.fail(answer=Answer.ENDLESS)
        assert str(failure) == f"the TES server tes-1 answered more than {MAX_RESPONSE} bytes"
        assert not failure.is_late

    def test_a_redirect_is_not_followed(self, asked: Asked):
        location = "https://user:secret@elsewhere.example:8443/login?token=secret"
        failure = asked.fail(answer=Answer.REDIRECT, location=location)
        assert "redirects to" in str(failure)
        assert "elsewhere.example:8443" in str(failure)
        assert "secret" not in str(failure)

    def test_the_servers_credentials_are_shown(self, closed: Asked):
        assert closed.ask(LIST, credentials=CREDENTIALS)["tasks"]
        assert closed.ask(CREATE, credentials=CREDENTIALS)["id"]

    def test_a_caller_shows_its_own_instead(self, closed: Asked):
        own = replace(LIST, authorization="Bearer of-somebody", is_callers=True)
        reply = closed.servers.ask(replace(closed.server, credentials=CREDENTIALS), own)
        assert reply.status == 401
        known = replace(own, authorization=f"Bearer {TOKEN}")
        assert closed.ask(known)["tasks"]

    def test_a_caller_without_any_is_not_lent_the_servers(self, closed: Asked):
        own = replace(LIST, is_callers=True)
        server = replace(closed.server, credentials=CREDENTIALS)
        assert closed.servers.ask(server, own).status == 401
        # And the other way round: who was refused does not spoil it for those who are let in.
        assert closed.ask(LIST, credentials=CREDENTIALS)["tasks"]

    def test_credentials_that_nobody_configured_are_named(self, closed: Asked):
        with pytest.raises(ServerFailed, match="forgotten"):
            closed.ask(LIST, credentials="forgotten")
        assert closed.core.journal.total == 0
