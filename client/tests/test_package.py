"""The package has what it names, and imports it no sooner than somebody asks for it."""

import subprocess
import sys

import callback_client
import pytest


@pytest.mark.parametrize("name", callback_client.__all__)
def test_everything_that_is_named_is_there(name):
    assert getattr(callback_client, name)


def test_what_is_not_named_is_not_there():
    with pytest.raises(AttributeError, match="'callback_client' has no attribute 'Nothing'"):
        _ = callback_client.Nothing


def test_the_launcher_does_without_what_takes_its_time():
    """It stands before the start of each program."""
    imports = "import sys, callback_client.exec; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", imports], check=False).returncode == 0
