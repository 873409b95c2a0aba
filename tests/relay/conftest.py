import pytest

from tests.relay.small_service import SmallService


@pytest.fixture
def service() -> SmallService:
    return SmallService()
