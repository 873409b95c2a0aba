"""What servers answer is taken for what it is, and never for more."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.states import State
from callback_service.domain.tes_answers import Page, read_page, read_state, read_wait
from tests.fakes.clock import START

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["tasks", "id", "state"]), inner)
    ),
)


def page(**document) -> Page:
    return read_page(json.dumps(document).encode())


class TestPage:
    def test_states_by_id(self):
        tasks = [{"id": "a", "state": "RUNNING"}, {"id": "b", "state": "COMPLETE"}]
        assert page(tasks=tasks) == Page({"a": State.RUNNING, "b": State.COMPLETE})

    def test_whatever_else_is_in_it(self):
        """Funnel says everything in its minimal view."""
        task = {"id": "a", "state": "QUEUED", "resources": None, "executors": [], "logs": []}
        assert page(tasks=[task], next_page_token="x") == Page({"a": State.QUEUED}, "x")

    @pytest.mark.parametrize("token", [None, "", 5, {}])
    def test_an_empty_token_and_none_end_it(self, token):
        assert page(tasks=[], next_page_token=token) == Page({})

    @pytest.mark.parametrize("state", [{}, {"state": ""}, {"state": None}, {"state": "UNKNOWN"}])
    def test_a_state_that_is_left_out_is_unknown(self, state):
        """As protocol buffers leave out what is zero."""
        assert page(tasks=[{"id": "a", **state}]).states == {"a": State.UNKNOWN}

    @pytest.mark.parametrize(
        "item", [None, 1, "a", [], {}, {"id": 5}, {"id": ""}, {"id": "a", "state": "DREAMING"}]
    )
    def test_what_is_no_task_is_counted_and_left_out(self, item):
        assert page(tasks=[item, {"id": "b", "state": "QUEUED"}]) == Page(
            {"b": State.QUEUED}, skipped=1
        )

    @pytest.mark.parametrize("body", [b"{}", b'{"tasks": null}', b'{"next_page_token": ""}'])
    def test_an_empty_list_may_be_left_out(self, body):
        assert read_page(body) == Page({})

    @pytest.mark.parametrize(
        "body",
        [
            *[b"", b"null", b"[]", b"5", b"<html>", b"\xff", b'{"tasks": ', b"[" * 10**5],
            *[b'{"error": "no"}', b'{"tasks": {}}', b'{"tasks": ""}', b'{"tasks": 0}'],
        ],
    )
    def test_what_is_no_list_is_refused(self, body):
        with pytest.raises(ValueError, match=r"list|JSON"):
            read_page(body)

    @given(document=JSON)
    def test_there_is_nothing_else(self, document):
        try:
            read = read_page(json.dumps(document).encode())
        except ValueError:
            return
        assert all(isinstance(state, State) and task_id for task_id, state in read.states.items())


class TestState:
    def test_of_the_task_that_was_asked_for(self):
        assert read_state(b'{"id": "a", "state": "RUNNING"}', "a") is State.RUNNING

    @pytest.mark.parametrize(
        "body",
        [
            *[b"", b"[]", b'{"state": "RUNNING"}', b'{"id": "b", "state": "RUNNING"}', b"<html>"],
            *[b'{"id": "a", "state": "DREAMING"}', b'{"id": "a", "state": 5}'],
        ],
    )
    def test_nothing_else_is_one(self, body):
        with pytest.raises(ValueError):  # noqa: PT011  the words are for nobody
            read_state(body, "a")


class TestWait:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("120", 120),
            (" 5 ", 5),
            ("Thu, 01 Jan 2026 12:00:30 GMT", 30),
            ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
            *[("", 0), ("soon", 0), ("-5", 0), ("9" * 5000, 0), ("²", 0)],
        ],
    )
    def test_seconds_or_a_date(self, header, seconds):
        assert read_wait({"retry-after": header}, START) == timedelta(seconds=seconds)

    def test_none_is_none(self):
        assert read_wait({}, START) == timedelta()
