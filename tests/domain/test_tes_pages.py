"""Lists of tasks, as clients get them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.states import State
from callback_service.domain.tes import Manner, NotTes, Seen, Tag, Variant
from callback_service.domain.tes_pages import STRETCH, tell_page

TAG = Tag("callback-service", "gateway")


def manner(variant: Variant = Variant.GA4GH, *, is_minimal: bool = False) -> Manner:
    return Manner(is_minimal, variant, TAG)


def told(page: Any, **more: Any) -> Any:
    body = page if isinstance(page, bytes) else json.dumps(page).encode()
    return json.loads(tell_page(body, manner(**more), lambda: None, 1).body)


def tasks(count: int, size: int = 1) -> list[dict[str, str]]:
    return [{"id": f"t{n}", "state": "RUNNING", "name": "x" * size} for n in range(count)]


def breaths(page: Any) -> int:
    found: list[None] = []
    tell_page(json.dumps(page).encode(), manner(), lambda: found.append(None), 1)
    return len(found)


def test_a_page_keeps_its_token_and_loses_an_empty_one():
    task = {"id": "a", "state": "RUNNING", "name": "", "inputs": []}
    shown = {"tasks": [{"id": "a", "state": "RUNNING"}], "next_page_token": "t"}
    for is_minimal in (False, True):
        page = {"tasks": [task], "next_page_token": "t", "more": None}
        assert told(page, is_minimal=is_minimal) == shown
    assert told({"next_page_token": "", "tasks": []}) == {"tasks": []}


@pytest.mark.parametrize("missing", [b"{}", b'{"tasks": null, "next_page_token": ""}'])
def test_a_server_may_leave_out_a_list_without_items(missing):
    assert told(missing) == {"tasks": []}


def test_space_may_stand_wherever_json_has_it():
    page = {"a": [], "tasks": [{"id": "a"}, {"id": "b"}], "b": {"c": 0}}
    text = json.dumps(page, indent="\t").replace("\n", " \r\n")
    assert told(f" {text} ".encode()) == {"tasks": [{"id": "a"}, {"id": "b"}], "b": {"c": 0}}


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b'{"tasks": {}}',
        b'{"tasks": [1]}',
        b'{"tasks": [{}]}',
        b'{"error": "x"}',
        b'{"tasks": [], "tasks": [{"id": "a"}]}',
        b'{"tasks": [], "tasks": null}',
        b'{"tasks": [{"id": "a"},]}',
        b'{"tasks": [{"id": "a"} {"id": "b"}]}',
        b'{"tasks": [{"id": "a"}',
        b'{"tasks": [{"id": "a"}]',
        b'{"tasks": []}}',
        b'{"tasks": [], 7: 8}',
        b'{"tasks": [] "a": 8}',
        b'{"tasks" []}',
        b'{"tasks": [{"id": "a", "ram": NaN}]}',
        b'{"tasks": [{"id": "a", "deep": ' + b"[" * 100_000 + b"}]}",
    ],
)
def test_what_is_no_list_is_not_taken_for_one(wrong):
    with pytest.raises(NotTes):
        told(wrong)


def test_only_the_first_tasks_are_looked_at():
    page = {"tasks": tasks(5)}
    found = tell_page(json.dumps(page).encode(), manner(), lambda: None, 3)
    assert found.seen == tuple(Seen(f"t{n}", State.RUNNING) for n in range(3))
    assert len(json.loads(found.body)["tasks"]) == 5


@pytest.mark.parametrize(("count", "size"), [(4_000, 1), (400, 1_000), (20, 50_000)])
def test_others_get_their_turn_after_each_stretch_of_a_long_list(count, size):
    page = {"tasks": tasks(count, size)}
    longest = len(json.dumps(page["tasks"][-1]))
    length = len(json.dumps(page))
    # A stretch ends with the task in which it would have.
    assert breaths(page) >= length // (STRETCH + longest + 2)
    assert breaths(page) <= length // STRETCH


def test_a_short_list_is_told_in_one_go():
    assert breaths({"tasks": tasks(50)}) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(
    st.lists(st.dictionaries(st.text(), JSON)),
    st.dictionaries(st.text(), JSON),
    st.sampled_from(Variant),
    st.booleans(),
)
def test_each_task_of_a_list_is_told_as_it_is_alone(found, rest, variant, is_ascii):
    listed = [{**task, "id": f"t{n}", "state": "RUNNING"} for n, task in enumerate(found)]
    page = {**rest, "tasks": listed}
    body = json.dumps(page, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert told(body, variant=variant)["tasks"] == list(map(manner(variant).of_task, listed))
