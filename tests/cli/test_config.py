"""`callback-service config check` says what is wrong with a file, in terms of what was typed."""

import pytest


def check(cli, *arguments):
    return cli("config", "check", *map(str, arguments), env={"CALLBACK_CONFIG": ""})


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """The command sets it for the rest of its process."""
    monkeypatch.setenv("CALLBACK_CONFIG", "")


def test_settings_that_can_be_used_are_valid(cli, tmp_path):
    (tmp_path / "own.yaml").write_text("custom: {delivery: {concurrency: 7}}")
    assert check(cli, tmp_path / "own.yaml").stdout == "the settings are valid\n"


@pytest.mark.parametrize(
    ("name", "fault"), [("missing.yaml", "is not a file"), (".", "is a folder, not a file")]
)
def test_what_is_no_file_is_called_as_it_was_typed(cli, tmp_path, name, fault):
    result = check(cli, tmp_path / name)
    assert result.exit_code == 2
    assert result.stderr == f"Error: {tmp_path / name} {fault}\n"


def test_each_of_several_faults_has_a_line(cli, tmp_path):
    (tmp_path / "own.yaml").write_text("{databse: 1, custom: {egres: 1}}")
    heading, *lines = check(cli, tmp_path / "own.yaml").stderr.splitlines()
    assert heading == "Error: 2 settings are wrong:"
    assert [line.partition(":")[0] for line in lines] == ["  - databse", "  - custom.egres"]
