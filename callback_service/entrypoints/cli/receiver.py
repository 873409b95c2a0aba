"""A receiver of deliveries: checks who signed them, and reads the updates out of them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.service_client import Json

_LARGEST_BODY = 64 * 2**20


class Signature(StrEnum):
    """`unchecked`: there was no secret to check it with."""

    VERIFIED = "verified"
    MISSING = "missing"
    WRONG = "wrong"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Delivery:
    at: datetime
    webhook_id: str | None
    signature: Signature
    body: Any
    # Why the signature is wrong.
    reason: str = ""

    @property
    def updates(self) -> list[Json]:
        """The updates in it, whatever its format; none of what is no delivery of ours."""
        if not isinstance(self.body, dict):
            return []
        found = self.body.get("updates")
        if isinstance(found, list):
            return [one for one in found if isinstance(one, dict)]
        if "specversion" in self.body:
            event = self.body.get("data")
            return [event] if isinstance(event, dict) else []
        if "id" in self.body and "state" in self.body:
            return [{"task_id": self.body["id"], "state": self.body["state"]}]
        return []


class Receiver:
    """Hands every POST to `take`, then answers `status` after `delay` seconds."""

    def __init__(
        self,
        take: Callable[[Delivery], None],
        secret: str | None = None,
        status: int = 204,
        delay: float = 0,
    ) -> None:
        self._take = take
        self._status = status
        self._delay = delay
        self._webhook = _webhook(secret) if secret else None

    def trust(self, secret: str) -> None:
        self._webhook = _webhook(secret)

    async def start(self, host: str, port: int) -> int:
        """Begin to listen, and answer on which port: on a free one where 0 was asked for."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise CommandFailed(
                f"Nothing can listen on {host} port {port}: is the port taken?", ExitCode.WRONG_USE
            ) from error
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        text = await request.text()
        signature, reason = self._check(text, request)
        webhook_id = request.headers.get("webhook-id")
        self._take(Delivery(datetime.now(UTC), webhook_id, signature, _parsed(text), reason))
        if self._delay:
            await asyncio.sleep(self._delay)
        return web.Response(status=self._status)

    def _check(self, text: str, request: web.Request) -> tuple[Signature, str]:
        if "webhook-signature" not in request.headers:
            return Signature.MISSING, ""
        if not self._webhook:
            return Signature.UNCHECKED, ""
        try:
            self._webhook.verify(text, dict(request.headers), json_parse=False)
        except WebhookVerificationError as error:
            return Signature.WRONG, str(error)
        except ValueError:
            return Signature.WRONG, "It is not written as Standard Webhooks says"
        return Signature.VERIFIED, ""


def _webhook(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    # The library has an error of its own for an empty one, and lets base64's through.
    except Exception as error:
        raise CommandFailed(
            "The secret is none: it has to look like whsec_ and base64.", ExitCode.WRONG_USE
        ) from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
