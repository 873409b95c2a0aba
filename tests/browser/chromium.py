"""A page in Chromium, driven over its own protocol: no driver to install beside it."""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.services import STARTING, missing

PATIENCE = 15.0
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1600",
    "--remote-debugging-port=0",
    # A page that wants something from elsewhere goes without it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Page:
    """`asked` is every URL that the page wanted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.asked: list[str] = []
        self._socket = socket
        self._ids = itertools.count()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if said.get("method") == "Network.requestWillBeSent":
                self.asked.append(said["params"]["request"]["url"])
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(self._answers[number], PATIENCE)
        assert "error" not in said, said["error"]
        result: dict[str, Any] = said["result"]
        return result

    async def open(self, url: str) -> None:
        await self.send("Network.enable")
        await self.send("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        said = await self.send("Runtime.evaluate", expression=script, returnByValue=True)
        return said["result"].get("value")

    async def find(self, selector: str) -> None:
        """Wait until there is such an element."""
        deadline = time.monotonic() + PATIENCE
        while not await self.evaluate(f"document.querySelector({json.dumps(selector)}) !== null"):
            assert time.monotonic() < deadline, f"there is no {selector}"
            await asyncio.sleep(0.05)

    async def click(self, selector: str) -> None:
        await self.find(selector)
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def write(self, selector: str, text: str) -> None:
        await self.find(selector)
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.send("Input.insertText", text=text)
        # Some fields wait for the rest of a word, unless they are left.
        await self.evaluate("document.activeElement.blur()")

    async def text(self, selector: str) -> str:
        await self.find(selector)
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[Page]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        missing("chromium")
    # Its sandbox does not work for root.
    flags = [*FLAGS, f"--user-data-dir={folder}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with subprocess.Popen([program, *flags, "about:blank"], stderr=subprocess.DEVNULL) as browser:  # noqa: ASYNC220  it starts once
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(await _address(session, folder)) as socket,
            ):
                opened = Page(socket)
                listening = asyncio.create_task(opened.listen())
                yield opened
                listening.cancel()
        finally:
            browser.terminate()


async def _address(session: aiohttp.ClientSession, folder: Path) -> str:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        with suppress(OSError, IndexError, ValueError, aiohttp.ClientError):
            port = int((folder / "DevToolsActivePort").read_text().splitlines()[0])
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                targets = await answer.json()
            return str(
                next(one for one in targets if one["type"] == "page")["webSocketDebuggerUrl"]
            )
        await asyncio.sleep(0.05)
    raise AssertionError("the browser did not start")
