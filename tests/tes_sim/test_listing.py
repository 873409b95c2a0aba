"""LIST: newest first, page by page, filtered where the server does so."""

import pytest

from callback_service.tes_sim.listing import DEFAULT_PAGE, LARGEST_PAGE
from tests.tes_sim.asking import asker

RUNNING = "RUNNING"


def ids(listed):
    return [task["id"] for task in listed["tasks"]]


def pages(tes, **query):
    token = ""
    while True:
        listed = tes.listed(**query, **({"page_token": token} if token else {}))
        yield ids(listed)
        token = listed.get("next_page_token")
        if not token:
            return


@pytest.mark.parametrize("profile", ["strict", "funnel"])
def test_the_newest_comes_first(profile):
    tes = asker(profile)
    tasks = [tes.submit() for _ in range(5)]
    assert ids(tes.listed()) == tasks[::-1]


@pytest.mark.parametrize("profile", ["strict", "funnel"])
@pytest.mark.parametrize("size", [1, 3, 4, 11])
def test_pages_have_every_task_once(profile, size):
    tes = asker(profile)
    tasks = [tes.submit() for _ in range(12)]
    found = list(pages(tes, page_size=size))
    assert [task for page in found for task in page] == tasks[::-1]
    assert all(len(page) == size for page in found[:-1])


def test_what_is_submitted_or_forgotten_meanwhile_shifts_no_page():
    tes = asker()
    tasks = [tes.submit() for _ in range(6)]
    first = tes.listed(page_size=2)
    tes.core.forget(tasks[4])
    tes.submit()
    second = tes.listed(page_size=2, page_token=first["next_page_token"])
    assert ids(second) == [tasks[3], tasks[2]]


def test_a_page_has_256_tasks_unless_asked_otherwise():
    tes = asker()
    tes.core.make(finished=3000, still_open=0, now=tes.now)
    assert len(tes.listed()["tasks"]) == DEFAULT_PAGE == 256
    assert len(tes.listed(page_size=LARGEST_PAGE)["tasks"]) == 2047


def test_too_large_a_page_is_refused_by_the_book_and_cut_by_funnel():
    assert asker("strict").ask("GET", "/tasks", page_size=2048).status == 400
    funnel = asker("funnel")
    funnel.core.make(finished=3000, still_open=0, now=funnel.now)
    assert len(funnel.listed(page_size=5000)["tasks"]) == LARGEST_PAGE


@pytest.mark.parametrize(
    "query",
    [
        {"page_size": "many"},
        {"page_size": "-1"},
        {"page_token": "x"},
        {"page_token": "bm9uc2Vuc2U="},
        {"state": "DONE"},
        {"view": "ALL"},
    ],
)
def test_what_cannot_be_meant_is_refused(query):
    assert asker().ask("GET", "/tasks", **query).status == 400


def test_funnel_gives_a_token_with_every_full_page_and_an_empty_one_with_others():
    tes = asker("funnel")
    for _ in range(4):
        tes.submit()
    first = tes.listed(page_size=4)
    behind = tes.listed(page_size=4, page_token=first["next_page_token"])
    assert behind == {"tasks": [], "next_page_token": ""}


def test_by_the_book_the_last_page_has_no_token():
    tes = asker("strict")
    for _ in range(4):
        tes.submit()
    assert "next_page_token" not in tes.listed(page_size=4)


@pytest.fixture
def some():
    tes = asker("strict")
    for name, tags, state in (
        ("a1", {"run": "1"}, "RUNNING"),
        ("a2", {"run": "2", "more": ""}, "RUNNING"),
        ("b1", {"run": "1", "more": "x"}, "QUEUED"),
        ("", {}, "COMPLETE"),
    ):
        tes.submit(name=name, tags=tags, script=state)
    return tes


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["", "b1", "a2", "a1"]),
        ({"state": "RUNNING"}, ["a2", "a1"]),
        ({"name_prefix": "a"}, ["a2", "a1"]),
        ({"tag_key": "run", "tag_value": "1"}, ["b1", "a1"]),
        ({"tag_key": "run", "tag_value": ""}, ["b1", "a2", "a1"]),
        ({"tag_key": "run"}, ["b1", "a2", "a1"]),
        ({"tag_key": ["run", "more"], "tag_value": ["1", "x"]}, ["b1"]),
        ({"tag_key": ["run", "more"], "tag_value": ["2"]}, ["a2"]),
        ({"tag_key": "run", "tag_value": "1", "state": "RUNNING"}, ["a1"]),
        ({"tag_key": "none"}, []),
        ({"no_such_filter": "x"}, ["", "b1", "a2", "a1"]),
    ],
)
def test_filters_say_which_tasks(some, query, names):
    assert [task["name"] for task in some.listed(view="BASIC", **query)["tasks"]] == names


def test_filtered_pages_are_full():
    tes = asker()
    tes.core.make(finished=1000, still_open=10, now=tes.now)
    found = list(pages(tes, state="RUNNING", page_size=4))
    assert [len(page) for page in found] == [4, 4, 2]


def test_a_server_may_have_its_filters_off(some):
    some.fail(no_filters=True)
    assert len(some.listed(state="RUNNING", tag_key="run", name_prefix="a")["tasks"]) == 4


def test_open_tasks_that_were_there_already_are_spread_among_the_others():
    tes = asker()
    tes.core.make(finished=90, still_open=10, now=tes.now)
    states = [task["state"] for task in tes.listed()["tasks"]]
    assert states.count(RUNNING) == 10
    assert all(RUNNING in states[start : start + 10] for start in range(0, 100, 10))
