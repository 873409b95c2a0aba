"""The real database server, because what it keeps through `kill -9` cannot be shown by a stub."""

import shutil
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient, WriteConcern

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not shutil.which("secantusd-py", path=str(Path(sys.executable).parent)),
        reason="the extra `embedded` is not installed",
    ),
]

JOURNALED = WriteConcern(w="majority", j=True)


def connect(up):
    (note,) = [note for note in up.notes("started") if note["name"] == "api"]
    return MongoClient(note["told"]["MONGO_URI"])


def numbers(client):
    return client["test"].get_collection("numbers", write_concern=JOURNALED)


def test_what_was_acknowledged_survives_kill_9(up):
    up.start("api", environ={"UP_DATABASE": "secantusd-py"}).until_ready()
    with connect(up) as client:
        for number in range(100):
            numbers(client).insert_one({"_id": number})
    up.process.kill()
    up.notes_file.unlink()
    up.start("api", environ={"UP_DATABASE": "secantusd-py"}).until_ready()
    with connect(up) as client:
        assert numbers(client).count_documents({}) == 100
    assert up.interrupt() == 0
    assert up.left() == []
