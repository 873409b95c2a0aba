"""`callback-service runs` says what the service answers, to people and to scripts."""

import itertools
import json

import pytest

STEERING = ["pause", "resume", "redeliver"]


@pytest.fixture
def run_id(cli):
    return registered(cli)["id"]


def registered(cli, *arguments):
    result = cli("runs", "register", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_registering_sends_what_was_said_and_nothing_else(cli, service):
    cli("runs", "register")
    assert service.requests[-1] == ("POST", "/v1/runs", {"sink": {"type": "none"}})

    cli(
        *("runs", "register", "--name", "mine", "--tag", "project=demo", "--tag", "empty="),
        *("--sink", "http://127.0.0.1:9000/", "--format", "tes", "--server", "local"),
        *("--header", "Authorization: Bearer a:b", "--task", "t1", "--expires-in", "60"),
    )
    assert service.requests[-1][2] == {
        "name": "mine",
        "tags": {"project": "demo", "empty": ""},
        "expires_in": 60,
        "server": "local",
        "sink": {
            "type": "http",
            "url": "http://127.0.0.1:9000/",
            "format": "tes",
            "headers": {"Authorization": "Bearer a:b"},
        },
        "tasks": [{"id": "t1", "server": "local"}],
    }


def test_a_run_of_cwl_wes_is_named_after_its_target(cli, service):
    sink = {"type": "cwl-wes", "target": "cwl", "wes_run_id": "A1B2C3"}
    result = cli("runs", "register", "--sink-cwl-wes", "cwl", "A1B2C3")
    assert service.requests[-1][2] == {"sink": sink}
    assert "cwl-WES run A1B2C3 in cwl" in result.stdout
    assert "cwl-wes A1B2C3" in cli("runs", "list").stdout
    cli("runs", "change", service.run_ids[0], "--sink-cwl-wes", "cwl", "other")
    assert service.requests[-1][2] == {"sink": sink | {"wes_run_id": "other"}}


def test_a_run_of_a_wes_is_named_with_its_url(cli, service):
    url = "http://127.0.0.1:9000/ga4gh/wes/v1"
    sink = {"type": "wes", "url": url, "wes_run_id": "A1B2C3"}
    with_header = {**sink, "headers": {"Authorization": "Bearer hidden-value"}}
    header = ("--header", "Authorization: Bearer hidden-value")
    result = cli("runs", "register", "--sink-wes", url, "A1B2C3", *header)
    assert service.requests[-1][2] == {"sink": with_header}
    assert f"WES run A1B2C3 at {url}, with Authorization" in result.stdout
    assert "hidden-value" not in result.output
    assert url in cli("runs", "list").stdout
    cli("runs", "change", service.run_ids[0], "--sink-wes", url, "other")
    assert service.requests[-1][2] == {"sink": sink | {"wes_run_id": "other"}}


SINKS = [
    ("--sink", "http://127.0.0.1:9000/"),
    ("--sink-cwl-wes", "cwl", "A1B2C3"),
    ("--sink-wes", "http://127.0.0.1:9000/", "A1B2C3"),
]


@pytest.mark.parametrize("pair", list(itertools.combinations(SINKS, 2)), ids=str)
def test_a_run_has_one_sink(cli, pair):
    result = cli("runs", "register", *pair[0], *pair[1])
    assert result.exit_code == 2
    assert "--sink or --sink-cwl-wes or --sink-wes" in result.stderr


def test_registering_shows_the_callback_url_and_the_secret_uncut(cli, service):
    result = cli("runs", "register", env={"COLUMNS": "40"})
    assert f"{service.url}/callbacks/{service.run_ids[0]}.open-sesame" in result.stdout
    assert "whsec_" in result.stdout
    assert "only now" in result.stderr
    columns = {
        len(line) - len(line.partition("  ")[2].lstrip()) for line in result.stdout.splitlines()
    }
    assert len(columns) == 1, "all values begin below each other"


def test_as_many_tasks_are_followed_as_a_file_names(cli, service, tmp_path):
    names = [f"task {number}" for number in range(2500)]
    (tmp_path / "tasks").write_text("\n".join([*names, "", ""]))
    run_id = registered(cli, "--tasks-from", str(tmp_path / "tasks"))["id"]
    listed = json.loads(cli("runs", "tasks", run_id, "--limit", "5000", "--json").stdout)
    assert [task["id"] for task in listed["tasks"]] == names


def test_tasks_are_read_from_stdin(cli, run_id):
    result = cli("runs", "follow", run_id, "one", "--tasks-from", "-", "--json", input="two\n")
    assert [state["id"] for state in json.loads(result.stdout)["states"]] == ["one", "two"]


def test_a_list_is_as_long_as_its_limit_and_says_that_there_is_more(cli):
    ids = [registered(cli)["id"] for _ in range(3)]
    result = cli("runs", "list", "--limit", "2", "--json")
    found = json.loads(result.stdout)
    assert [run["id"] for run in found["runs"]] == ids[:0:-1]
    rest = cli("runs", "list", "--page-token", found["next_page_token"], "--json")
    assert json.loads(rest.stdout)["runs"][0]["id"] == ids[0]
    assert "--limit" in cli("runs", "list", "--limit", "2").stderr


def test_filters_are_handed_on(cli, service):
    cli("runs", "list", "--tag", "a=1", "--tag", "b=", "--status", "paused", "--name-prefix", "x")
    _, target, _ = service.requests[-1]
    assert target.partition("?")[2].split("&") == [
        *("name_prefix=x", "tag_key=a", "tag_key=b", "tag_value=1", "tag_value="),
        *("status=paused", "page_size=100"),
    ]


def test_nothing_is_cut_off_where_nobody_looks_on(cli):
    name = "n" * 200
    registered(cli, "--name", name)
    assert name in cli("runs", "list").stdout


def test_an_empty_list_says_so(cli):
    result = cli("runs", "list")
    assert result.exit_code == 0
    assert result.stderr == "There are none.\n"
    assert result.stdout == ""


def test_a_column_with_nothing_in_it_is_left_out(cli, service):
    registered(cli, "--name", "mine")
    assert cli("runs", "list").stdout.split()[:5] == ["RUN", "STATUS", "CREATED", "NAME", "SINK"]
    assert "PROBLEM" not in cli("runs", "list").stdout


def test_showing_a_run_says_how_it_stands(cli, service):
    run = registered(cli, "--name", "mine", "--task", "t1")
    cli("send", run["callback_url"], "t2", "COMPLETE")
    text = cli("runs", "show", run["id"]).stdout
    assert "mine" in text
    assert "UNKNOWN 1" in text
    assert "COMPLETE 1" in text
    shown = json.loads(cli("runs", "show", run["id"], "--json").stdout)
    assert shown["tasks"] == {"UNKNOWN": 1, "COMPLETE": 1}


def test_what_others_wrote_does_not_steer_the_terminal(cli):
    registered(cli, "--name", "\x1b[31mred\x07 [bold]")
    text = cli("runs", "list").stdout
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]" in text


@pytest.mark.parametrize("verb", STEERING)
def test_steering_a_run_asks_for_that_and_shows_the_run(cli, service, verb):
    run_id = registered(cli, "--sink", "http://127.0.0.1:9/")["id"]
    result = cli("runs", verb, run_id, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["id"] == run_id
    assert service.requests[-1][:2] == ("POST", f"/v1/runs/{run_id}:{verb}")


def test_redelivery_can_be_narrowed_down(cli, service):
    run_id = registered(cli, "--sink", "http://127.0.0.1:9/")["id"]
    narrow = ("--since", "2025-06-12T14:30", "--task", "t1", "--task", "t2")
    result = cli("runs", "redeliver", run_id, *narrow, env={"TZ": "UTC"})
    assert result.stderr == "It will be told again.\n"
    wish = service.requests[-1][2]
    assert wish["tasks"] == ["t1", "t2"]
    # The contract wants a time zone.
    assert wish["since"].startswith("2025-06-12T14:30:00")
    assert len(wish["since"]) == len("2025-06-12T14:30:00+00:00")


def test_rotating_shows_the_new_secret(cli, run_id):
    new = json.loads(cli("runs", "rotate", run_id, "--overlap", "0", "--json").stdout)
    assert new.keys() == {"callback_url", "secret"}


def test_a_change_names_only_what_changes(cli, service, run_id):
    cli("runs", "change", run_id, "--name", "other")
    assert service.requests[-1] == ("PATCH", f"/v1/runs/{run_id}", {"name": "other"})
    cli("runs", "change", run_id, "--no-sink")
    assert service.requests[-1][2] == {"sink": {"type": "none"}}
    assert cli("runs", "change", run_id).exit_code == 2


def test_a_deleted_run_is_unknown(cli, run_id):
    assert cli("runs", "delete", run_id).exit_code == 0
    assert cli("runs", "delete", run_id).exit_code == 1


def test_deliveries_are_listed_newest_first(cli, service, eventually):
    run = registered(cli, "--sink", f"{service.url}/nowhere")
    cli("send", run["callback_url"], "t1", "RUNNING")
    cli("send", run["callback_url"], "t1", "COMPLETE")

    def listed():
        found = json.loads(cli("runs", "deliveries", run["id"], "--json").stdout)
        return len(found["deliveries"]) == 2 and found["deliveries"]

    newest, _ = eventually(listed)
    assert newest["webhook_id"] == "msg_t1_2"
    assert "told" in cli("runs", "deliveries", run["id"]).stdout


@pytest.mark.parametrize("command", ["show", "pause", "tasks", "watch", "delete", "deliveries"])
def test_an_unknown_run_fails_with_a_sentence(cli, command):
    # An id may hold anything, and is never taken for a piece of the path.
    result = cli("runs", command, "../x?y#z")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: there is no run '../x?y#z' of yours; it may have expired.\n"


@pytest.mark.parametrize("wrong", ["--tag", "--header"])
def test_pairs_need_a_divider_and_are_not_repeated_on_the_screen(cli, wrong):
    result = cli("runs", "register", wrong, "secret")
    assert result.exit_code == 2
    assert "secret" not in result.stderr
