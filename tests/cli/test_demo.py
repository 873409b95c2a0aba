"""`demo` succeeds exactly if each run was told everything, in order, signed."""

import json

import pytest

from callback_service.domain.states import State
from callback_service.entrypoints.cli.demo.tally import Inbox, Outcome, Sent, percentile
from tests.fakes.http_service import Problem

FEW = ("demo", "--tasks", "5", "--json")


def test_it_succeeds_where_nothing_is_lost(cli, service):
    result = cli(*FEW)
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert outcome["ok"] is True
    assert (outcome["planned"], outcome["sent"]) == (20, 20)
    for run in outcome["runs"]:
        assert (run["received"], run["lost"], run["out_of_order"], run["unverified"]) == (
            20,
            0,
            0,
            0,
        )
        assert run["delay_ms"]["p50"] <= run["delay_ms"]["p99"]


def test_it_leaves_no_run_behind(cli, service):
    assert cli(*FEW).exit_code == 0
    assert service.run_ids == []


def test_callbacks_that_are_not_taken_are_sent_again(cli, service, monkeypatch):
    refused = []
    receive = service.receive

    def refuse_some(token, query, body):
        if len(refused) < 3:
            refused.append(body)
            raise Problem(503, "the database did not confirm in time")
        return receive(token, query, body)

    monkeypatch.setattr(service, "receive", refuse_some)
    result = cli(*FEW)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sent_again"] == 3


def test_a_callback_that_is_refused_ends_it(cli, service, monkeypatch):
    def refuse(token, query, body):
        raise Problem(404, "there is no such callback URL")

    monkeypatch.setattr(service, "receive", refuse)
    result = cli(*FEW)
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: The service refused a callback: it answered 404.\n")


def test_an_update_that_never_comes_is_lost_and_the_end_is_bounded(cli, service):
    service.on_the_way = lambda update: None if update["seq"] == 3 else update
    result = cli(*FEW, "--deadline", "5")
    assert result.exit_code == 1
    assert [run["lost"] for run in json.loads(result.stdout)["runs"]] == [5, 5]


def test_an_unsigned_delivery_is_no_success(cli, service):
    service.signs = False
    result = cli(*FEW)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["runs"][0]["unverified"] == 20


def test_people_see_the_outcome(cli):
    result = cli("demo", "--tasks", "3")
    assert result.exit_code == 0
    assert "Nothing was lost, and everything came in order." in result.stdout


def test_a_named_service_that_is_away_is_not_replaced_by_another(cli, service):
    service.stop()
    result = cli(*FEW)
    assert result.exit_code == 3
    service.start()


def test_receivers_that_the_service_does_not_allow_are_wrong_use(cli, service, monkeypatch):
    def refuse(query, body):
        raise Problem(400, "sink.url: 127.0.0.1 is not a public address")

    monkeypatch.setattr(service, "register_run", refuse)
    result = cli(*FEW)
    assert result.exit_code == 2
    assert "not a public address" in result.stderr
    assert "--own" in result.stderr


def test_an_address_that_is_not_of_this_machine_is_wrong_use(cli):
    assert cli(*FEW, "--address", "not-an-address.invalid").exit_code == 2


@pytest.fixture
def sent():
    sent = Sent()
    for number, state in enumerate([State.QUEUED, State.RUNNING, State.COMPLETE]):
        sent.acknowledge("t1", state, float(number))
    return sent


def inbox_of(*updates):
    inbox = Inbox("run")
    for at, (seq, state) in enumerate(updates):
        inbox.take({"task_id": "t1", "seq": seq, "state": state}, at + 0.5)
    return inbox


EVERYTHING = ((1, "QUEUED"), (2, "RUNNING"), (3, "COMPLETE"))


def outcome_of(sent, *updates):
    return Outcome(3, sent, (inbox_of(*updates),), 1.0)


def test_everything_in_order_is_good(sent):
    assert outcome_of(sent, *EVERYTHING).is_good


def test_a_repeat_is_no_fault(sent):
    outcome = outcome_of(sent, EVERYTHING[0], *EVERYTHING)
    assert outcome.is_good
    assert outcome.inboxes[0].repeated == 1


@pytest.mark.parametrize(
    "told",
    [
        EVERYTHING[:2],
        EVERYTHING[1:],
        (*EVERYTHING[:2], (3, "SYSTEM_ERROR")),
        (EVERYTHING[1], EVERYTHING[0], EVERYTHING[2]),
    ],
    ids=["the last is lost", "the first is lost", "another state", "another order"],
)
def test_everything_else_is_not(sent, told):
    assert not outcome_of(sent, *told).is_good


def test_fewer_callbacks_than_planned_are_no_success(sent):
    assert not Outcome(4, sent, (inbox_of(*EVERYTHING),), 1.0).is_good


def test_a_delivery_that_overtakes_the_answer_has_no_delay():
    sent = Sent()
    sent.acknowledge("t1", State.QUEUED, 9.0)
    assert inbox_of((1, "QUEUED")).delays(sent) == [0.0]


def test_percentiles_are_values_that_were_measured():
    assert percentile([], 0.5) is None
    assert percentile([1.0], 0.99) == 1.0
    assert percentile([float(number) for number in range(1, 101)], 0.5) == 50.0
    assert percentile([float(number) for number in range(1, 101)], 0.99) == 99.0
