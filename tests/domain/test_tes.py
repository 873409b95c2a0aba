import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain import tes
from callback_service.domain.states import State
from callback_service.domain.tes import Manner, NotTes, Seen, Tag, Variant

TAG = Tag("callback-service", "gateway")
# As Funnel answers in the view MINIMAL, and TESK in BASIC.
FUNNEL = {
    "id": "a",
    "state": "RUNNING",
    "name": "",
    "description": "",
    "inputs": [],
    "outputs": [],
    "resources": None,
    "executors": [],
    "volumes": [],
    "tags": {},
    "logs": [],
    "creation_time": "",
}
FULL = {
    "id": "a",
    "state": "PREEMPTED",
    "name": "n",
    "inputs": [{"url": "u", "path": "/p", "type": "FILE", "streamable": False, "content": ""}],
    "outputs": [{"url": "u", "path": "/p", "path_prefix": "/"}],
    "resources": {
        "cpu_cores": 0,
        "ram_gb": 0.0,
        "preemptible": False,
        "zones": None,
        "backend_parameters": {"a": "", "b": None},
        "backend_parameters_strict": True,
    },
    "executors": [
        {
            "image": "i",
            "command": ["echo", "", "x"],
            "env": {"EMPTY": "", "NOT": None},
            "ignore_error": True,
            "stdin": "",
        }
    ],
    "tags": {"empty": "", TAG.key: TAG.value, "null": None},
    "callback_url": "https://listener.example.org/secret",
    "logs": [
        {
            "logs": [{"exit_code": 0, "stdout": ""}],
            "metadata": {"empty": "", "nested": {}},
            "outputs": [],
            "system_logs": [""],
            "invented": "by the server",
        }
    ],
}


def manner(variant: Variant = Variant.GA4GH, *, is_minimal: bool = False) -> Manner:
    return Manner(is_minimal, variant, TAG)


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def test_minimal_is_exactly_the_id_and_the_state():
    assert manner(is_minimal=True).of_task(FUNNEL) == {"id": "a", "state": "RUNNING"}


def test_what_is_null_empty_or_false_is_left_out():
    assert manner().of_task(FUNNEL) == {"id": "a", "state": "RUNNING"}


def test_what_is_zero_or_an_item_of_a_list_or_a_users_stays():
    assert manner().of_task(FULL) == {
        "id": "a",
        "state": "PREEMPTED",
        "name": "n",
        "inputs": [{"url": "u", "path": "/p", "type": "FILE"}],
        "outputs": [{"url": "u", "path": "/p", "path_prefix": "/"}],
        "resources": {
            "cpu_cores": 0,
            "ram_gb": 0.0,
            "backend_parameters": {"a": ""},
            "backend_parameters_strict": True,
        },
        "executors": [
            {
                "image": "i",
                "command": ["echo", "", "x"],
                "env": {"EMPTY": ""},
                "ignore_error": True,
            }
        ],
        "tags": {"empty": ""},
        "logs": [
            {
                "logs": [{"exit_code": 0}],
                "metadata": {"empty": "", "nested": {}},
                "system_logs": [""],
                "invented": "by the server",
            }
        ],
    }


def test_for_old_clients_a_task_has_the_shape_of_tes_1_0():
    shown = manner(Variant.V1).of_task(FULL)
    assert shown["state"] == "SYSTEM_ERROR"
    assert shown["resources"] == {"cpu_cores": 0, "ram_gb": 0.0}
    assert shown["outputs"] == [{"url": "u", "path": "/p"}]
    assert shown["executors"] == [
        {"image": "i", "command": ["echo", "", "x"], "env": {"EMPTY": ""}}
    ]
    assert "invented" not in shown["logs"][0]
    assert shown["logs"][0]["metadata"] == {"empty": "", "nested": {}}


@pytest.mark.parametrize(
    ("state", "shown"),
    [("PREEMPTED", "SYSTEM_ERROR"), ("CANCELING", "RUNNING"), ("PAUSED", "RUNNING"), ("X", "X")],
)
def test_old_clients_are_told_states_that_they_know(state, shown):
    task = {"id": "a", "state": state}
    for is_minimal in (False, True):
        assert manner(Variant.V1, is_minimal=is_minimal).of_task(task)["state"] == shown
        assert manner(Variant.ROOT, is_minimal=is_minimal).of_task(task)["state"] == state


def test_nothing_that_only_tes_1_1_has_is_left_empty_for_old_clients():
    task = {"id": "a", "resources": {"backend_parameters": {"a": "b"}}}
    assert manner(Variant.V1).of_task(task) == {"id": "a"}


@pytest.mark.parametrize("pairs", [10, 40, 200, 350])
def test_however_deeply_a_task_is_nested_it_can_be_shown(pairs):
    deep = b'{"id": "a", "x": ' + b'[{"b": ' * pairs + b"1" + b"}]" * pairs + b"}"
    assert json.dumps(manner().of_task(tes.read_task(deep))).encode() == deep


def test_only_the_tag_of_this_gateway_is_removed():
    others = {"tags": {TAG.key: "another"}, "id": "a"}
    assert manner().of_task(others) == others


def test_tags_that_are_none_are_the_servers_business():
    assert manner().of_task({"id": "a", "tags": ["x"]}) == {"id": "a", "tags": ["x"]}


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ({"id": "a", "state": "RUNNING"}, State.RUNNING),
        ({"id": "a"}, State.UNKNOWN),
        ({"id": "a", "state": None}, State.UNKNOWN),
        ({"id": "a", "state": "INVENTED"}, None),
    ],
)
def test_a_state_is_seen_where_it_is_one(said, seen):
    assert tes.seen(tes.read_task(body(said))) == Seen("a", seen)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"id": 7}',
        b'{"id": ""}',
        b'{"id": "a", "state": 7}',
        b'{"id": "a", "ram": NaN}',
        b'{"id": "a", "ram": -Infinity}',
        b'{"id": "a", "ram": 1e999}',
        b'{"id": "a", "big": ' + b"9" * 5000 + b"}",
        b'{"id": "a", "bytes": "\xff"}',
        b'{"id": "a", "deep": ' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_no_task_is_not_taken_for_one(wrong):
    with pytest.raises(NotTes):
        tes.read_task(wrong)


def test_a_created_task_has_an_id():
    assert tes.read_created(b'{"id": "a"}') == "a"
    with pytest.raises(NotTes):
        tes.read_created(b'{"id": null}')


def test_a_cancel_may_be_answered_by_nothing():
    assert tes.read_cancelled(b"") == tes.read_cancelled(b"{}") == {}
    with pytest.raises(NotTes):
        tes.read_cancelled(b"OK")


def test_tes_0_x_has_another_self_description():
    info = {"name": "n", "description": "d", "storage": ["s3://a", 7], "id": "x"}
    assert tes.old_service_info(info) == {"name": "n", "doc": "d", "storage": ["s3://a"]}
    assert tes.old_service_info({"storage": None}) == {"name": "", "doc": "", "storage": []}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = st.sampled_from([*FULL, "description"])


def emptiness(value: Any, *, is_field: bool = False) -> bool:
    """Whether something that clients break on is left, but in maps of users."""
    if is_field and (value is None or value is False or value in ("", [], {})):
        return True
    if isinstance(value, list):
        return any(map(emptiness, value))
    maps = ("tags", "env", "metadata", "backend_parameters")
    return isinstance(value, dict) and any(
        emptiness(inner, is_field=True) for name, inner in value.items() if name not in maps
    )


@given(st.dictionaries(FIELDS, JSON), st.sampled_from(Variant))
def test_whatever_a_server_answers_is_tidied(task, variant):
    read = {**task, "id": "a", "state": "RUNNING"}
    shown = manner(variant).of_task(tes.read_task(body(finite(read))))
    assert not emptiness(shown)
    assert "callback_url" not in shown


def finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return 0 if isinstance(value, float) and not math.isfinite(value) else value
