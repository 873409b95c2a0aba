"""Whatever stands in the way is one sentence and exit code 2, and nothing was started."""

import os
import socket
import subprocess
import sys

import pytest

from callback_service.embedded import ports
from callback_service.embedded.errors import CannotStart
from callback_service.embedded.folder import DataFolder

# As WiredTiger does it: a POSIX lock on the first byte.
HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX, 1)
print("holding", flush=True)
time.sleep(60)
"""


def refusal(up, *stubs, **how):
    assert up.start(*stubs, **how).end() == 2
    (sentence,) = up.complained.splitlines()
    assert not up.notes("started")
    assert up.said == ""
    return sentence


def test_a_taken_port(up):
    with socket.socket() as other:
        other.bind(("127.0.0.1", up.port))
        other.listen()
        assert f"Port {up.port} of 127.0.0.1 is taken" in refusal(up)


def test_a_port_that_only_winds_down_is_free(free_port):
    with socket.create_server(("127.0.0.1", free_port)) as server:
        client = socket.create_connection(("127.0.0.1", free_port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    ports.require_free("127.0.0.1", free_port, patience=0)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine(up, host):
    assert f"{host} is no address of this machine" in refusal(up, host=host)


def test_a_folder_in_use(up, tmp_path):
    up.start().until_ready()
    other = type(up)(tmp_path / "other", up.port, up.marker)
    other.folder.mkdir()
    sentence = refusal(other, data=str(up.data))
    assert f"is in use by another `callback-service up` (process {up.process.pid})" in sentence
    assert up.interrupt() == 0


def test_a_folder_that_holds_something_else(up):
    work = up.data / "broker" / "app.py"
    work.parent.mkdir(parents=True)
    work.touch()
    assert "holds something else already" in refusal(up)
    assert list(up.data.rglob("*")) == [work.parent, work]


def test_a_folder_below_a_file(up):
    up.data.write_text("not a folder")
    assert f"Error: {up.data} is a file: choose a folder" in refusal(up)
    assert f"Error: {up.data} is a file: " in refusal(up, data=str(up.data / "below"))


def test_what_a_refused_start_made_is_gone_again(up):
    deep = up.folder / "new" / "data"
    with socket.socket() as other:
        other.bind(("127.0.0.1", up.port))
        other.listen()
        refusal(up, data=str(deep))
        assert not deep.parent.exists()
        deep.mkdir(parents=True)
        refusal(up, data=str(deep))
        assert list(deep.parent.rglob("*")) == [deep]


def test_what_an_earlier_start_made_stays(up):
    up.start().until_ready()
    up.interrupt()
    there = set(up.data.rglob("*"))
    seen = len(up.notes("started"))
    up.start(environ={"MONGO_URI": "nonsense"})
    assert up.end() == 2
    assert len(up.notes("started")) == seen
    assert set(up.data.rglob("*")) == there


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(up):
    up.data.mkdir(mode=0o500)
    assert "cannot be used for the data (Permission denied" in refusal(up)


def test_a_folder_that_nobody_may_write_to(up):
    assert "--data" in refusal(up, data="/proc/callback-data")


@pytest.mark.parametrize(
    "how",
    [
        {"auth": False},
        {"environ": {"CALLBACK_AUTH": "off"}},
        {"environ": {"CALLBACK_AUTH": "False"}},
    ],
)
def test_no_authentication_beyond_this_machine(up, how):
    assert "--no-auth" in refusal(up, host="0.0.0.0", **how)  # noqa: S104  it is refused


def test_a_missing_database_server(up):
    sentence = refusal(up, "nothing", environ={"UP_DATABASE": "no-such-server"})
    assert "pip install 'callback-service[embedded]'" in sentence
    assert not up.data.exists()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("localhost:27017", "cannot be used (it does not begin with mongodb://)"),
        ("mongodb://host:port", "cannot be used (Port contains non-digit characters"),
        ("mongodb://me:secret@127.0.0.1:1/?replicaSet=rs0", "(127.0.0.1:1) does not answer"),
    ],
)
def test_a_database_that_cannot_be_used(up, uri, words):
    sentence = refusal(up, environ={"MONGO_URI": uri})
    assert words in sentence
    assert "MONGO_URI" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("carrier-pigeon://coop", "names no broker that can be used (carrier-pigeon)"),
        ("memory://", "names no broker that can be used (memory)"),
        ("amqp://me:secret@127.0.0.1:1//", "(127.0.0.1:1) cannot be used"),
        (
            "nonsense",
            "cannot be used (it does not begin with amqp://): it has to look like amqp://",
        ),
        ("amqp://host:port//", "cannot be used (Port could not be cast"),
    ],
)
def test_a_broker_that_cannot_be_used(up, url, words):
    sentence = refusal(up, environ={"CELERY_BROKER_URL": url})
    assert words in sentence
    assert "CELERY_BROKER_URL" in sentence
    assert "secret" not in sentence


def test_a_database_whose_files_another_process_holds(tmp_path):
    folder = DataFolder(tmp_path)
    folder.database.mkdir()
    (folder.database / "WiredTiger.lock").touch()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder.database / "WiredTiger.lock"], stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.read(1)
        with pytest.raises(CannotStart, match="in use by another process"):
            folder.wait_for_database(patience=0.2)
        holder.kill()
    folder.wait_for_database(patience=0.2)


def test_a_tes_server_without_a_url(up):
    sentence = refusal(up, tes="funnel")
    assert "--tes: the URL must be an absolute http or https URL" in sentence
