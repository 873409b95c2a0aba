import pytest

from tests.faults import seeds
from tests.faults.scenario import Stage


@pytest.fixture
def seed(record_property):
    """By which a test that failed is played again: `python -m tests.faults --seed …`."""
    seed = seeds.choose()
    record_property("seed", seed)
    return seed


@pytest.fixture
def stage(tmp_path, seed):
    return Stage(tmp_path, seed)
