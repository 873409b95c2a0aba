"""Swagger UI works without the internet, and "Try it out" does what it says."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pymongo import MongoClient

from callback_service.tes_sim.core import SimulatedServer
from tests.api.service import TOKENS, environment, served
from tests.browser.chromium import Page, page
from tests.tes_sim.running import running_server

LIVE = ".live-responses-table tbody .response-col_status"


@pytest.fixture(scope="module")
def url(
    mongo_uri: str,
    mongo_client: MongoClient[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with served(environment(mongo_uri, name, tmp_path_factory.mktemp("api"))) as url:
        yield url
    mongo_client.drop_database(name)


async def try_out(opened: Page, operation: str, **fields: str) -> str:
    """Send the operation's example; what fills its path is among the arguments."""
    block = f"#operations-{operation}"
    await opened.click(f"{block} .opblock-summary-control")
    await opened.click(f"{block} .try-out__btn")
    for name, value in fields.items():
        await opened.write(f"{block} input[placeholder={name}]", value)
    await opened.click(f"{block} .execute")
    return (await opened.text(f"{block} {LIVE}")).split()[0]


async def authorize(opened: Page, token: str) -> None:
    await opened.click(".btn.authorize")
    await opened.write(".auth-container input", token)
    await opened.click(".auth-btn-wrapper .authorize")
    await opened.click(".auth-btn-wrapper .btn-done")


def assert_offline(opened: Page, url: str) -> None:
    assert opened.asked
    assert [one for one in opened.asked if not one.startswith((url, "data:", "blob:"))] == []


def test_a_run_is_registered_and_a_callback_sent_from_the_page(url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with page(tmp_path) as opened:
            await opened.open(f"{url}/ui/")
            assert await opened.text(".servers option") == "/ - this service"
            await authorize(opened, TOKENS["user"])
            assert await try_out(opened, "Runs-register_run") == "201"
            answer = await opened.text("#operations-Runs-register_run .live-responses-table code")
            token = json.loads(answer)["callback_url"].rpartition("/")[2]
            assert await try_out(opened, "Callbacks-receive_callback", token=token) == "204"
            assert_offline(opened, url)

    asyncio.run(scenario())


def test_without_a_token_the_page_says_so(url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with page(tmp_path) as opened:
            await opened.open(f"{url}/")
            assert await try_out(opened, "Runs-list_runs") == "401"

    asyncio.run(scenario())


def test_a_task_is_handed_to_a_tes_server_from_the_page(url: str, tmp_path: Path) -> None:
    async def scenario(core: SimulatedServer) -> None:
        async with page(tmp_path) as opened:
            await opened.open(f"{url}/ga4gh/tes/v1/ui/")
            for operation in ("ListTasks", "CreateTask", "GetTask", "CancelTask", "GetServiceInfo"):
                await opened.find(f"#operations-TaskService-{operation}")
            await authorize(opened, TOKENS["user"])
            assert await try_out(opened, "TaskService-CreateTask") == "200"
            assert await try_out(opened, "TaskService-GetServiceInfo") == "200"
            (task,) = core.tasks()
            assert task.body["name"] == "checksum"
            assert_offline(opened, url)

    with running_server("strict") as tes:
        admin = {"Authorization": f"Bearer {TOKENS['admin']}"}
        server = {"name": "simulated", "url": tes.url}
        requests.post(
            f"{url}/v1/servers", json=server, headers=admin, timeout=10
        ).raise_for_status()
        asyncio.run(scenario(tes.core))
