import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import report
from tests.services import missing

REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "bench", "--json", "--seconds", "0.5", "--rate", "20"]


@pytest.mark.slow
@pytest.mark.services
def test_everything_is_measured_and_every_ledger_is_balanced():
    """The figures are nobody's business here: they are the machine's."""
    if not find_spec("secantus"):
        missing("the embedded database (the package secantusdb)")
    # RabbitMQ's queue belongs to the tests that are about it.
    environ = {name: value for name, value in os.environ.items() if name != "TEST_RABBITMQ_URL"}
    done = subprocess.run(
        COMMAND, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, text=True, check=True
    )
    results = json.loads(done.stdout)
    for measured in results["brokers"].values():
        for one in (*measured["closed"], measured["open"]):
            assert one["ledger"]["acknowledged"] > 0
            assert not one["ledger"]["refused"]
            assert "the ledger is not balanced" not in one["void"]
    assert "acknowledged/s" in report.markdown(results)
