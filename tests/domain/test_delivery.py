from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.delivery import (
    Answer,
    Item,
    Span,
    Verdict,
    items_of,
    items_within,
    spans_of,
    webhook_id,
)
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey, Update

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = [TaskKey("local", "default", name) for name in ("a", "b")]


def item(key: TaskKey, seq: int, state: State = State.RUNNING) -> Item:
    return Item(key, Update(seq, state, NOW, Source.CALLBACK), State.UNKNOWN)


def heard(*states: State) -> Task:
    task = Task(KEYS[0]).join("r1", NOW)
    for state in states:
        task = task.hear(state, Source.POLL, NOW)
    return task


RUNS_OF_SEQS = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(1, 50)), min_size=1)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_success_means_told(status):
    assert Answer(status).verdict is Verdict.TOLD


@pytest.mark.parametrize("status", [None, 408, 425, 429, 500, 502, 503, 599])
def test_no_answer_and_a_passing_trouble_mean_to_try_again(status):
    assert Answer(status).verdict is Verdict.RETRY


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308, 400, 401, 404, 413, 422])
def test_any_other_status_redirects_included_means_refused(status):
    assert Answer(status).verdict is Verdict.REFUSED


def test_410_means_gone():
    assert Answer(410).verdict is Verdict.GONE


@given(status=st.none() | st.integers(100, 999))
def test_only_statuses_about_the_payload_blame_it_and_those_are_refusals(status):
    answer = Answer(status)
    assert answer.blames_payload == (status in {400, 413, 422})
    assert not answer.blames_payload or answer.verdict is Verdict.REFUSED


def test_an_answer_is_described_by_its_error_before_its_status():
    assert Answer(302, error="redirects").describe() == "redirects"
    assert Answer(503).describe() == "answered 503"


def test_a_run_is_told_what_it_was_not_told_yet_with_the_state_before_each():
    task = heard(State.QUEUED, State.RUNNING, State.COMPLETE)
    told = [(one.update.seq, one.previous, one.update.state) for one in items_of(task, "r1")]
    assert told == [
        (1, State.UNKNOWN, State.QUEUED),
        (2, State.QUEUED, State.RUNNING),
        (3, State.RUNNING, State.COMPLETE),
    ]


def test_an_open_batch_gives_the_same_items_when_more_has_come():
    before = heard(State.QUEUED, State.RUNNING)
    after = before.hear(State.COMPLETE, Source.POLL, NOW)
    assert items_within(after, 1, 2) == items_of(before, "r1")


@given(seqs=RUNS_OF_SEQS)
def test_spans_cover_every_item_once_per_task(seqs):
    spans = spans_of(item(key, seq) for key, seq in seqs)
    assert [span.key for span in spans] == list(dict.fromkeys(key for key, _ in seqs))
    for key, first, last in spans:
        of_task = [seq for other, seq in seqs if other == key]
        assert (first, last) == (min(of_task), max(of_task))


def test_the_webhook_id_depends_on_the_run_and_the_updates_only():
    items = [item(KEYS[0], 1), item(KEYS[1], 1)]
    same = [item(KEYS[0], 1, State.PAUSED), item(KEYS[1], 1)]
    assert webhook_id("r1", items) == webhook_id("r1", same)
    others = {
        webhook_id("r2", items),
        webhook_id("r1", items[:1]),
        webhook_id("r1", [item(KEYS[0], 2), item(KEYS[1], 1)]),
    }
    assert len(others | {webhook_id("r1", items)}) == 4


@given(
    one=st.lists(st.builds(item, st.sampled_from(KEYS), st.integers(1, 5)), min_size=1),
    other=st.lists(st.builds(item, st.sampled_from(KEYS), st.integers(1, 5)), min_size=1),
)
def test_webhook_ids_differ_where_spans_do(one, other):
    assert (webhook_id("r1", one) == webhook_id("r1", other)) == (spans_of(one) == spans_of(other))


def test_a_webhook_id_has_no_dot_for_the_signature_is_joined_by_dots():
    assert "." not in webhook_id("r.1", [item(KEYS[0], 1)])


def test_a_span_is_one_update_long_where_one_was_sent():
    assert spans_of([item(KEYS[0], 7)]) == [Span(KEYS[0], 7, 7)]
