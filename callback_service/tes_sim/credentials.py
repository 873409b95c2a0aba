"""Who may use the simulated server."""

import base64
import hmac
from dataclasses import dataclass

from callback_service.tes_sim.reply import Refused


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests have to show: either of them; with none, everybody may."""

    basic: str | None = None
    token: str | None = None

    def check(self, authorization: str | None) -> None:
        accepted = [
            *([f"Basic {base64.b64encode(self.basic.encode()).decode()}"] if self.basic else []),
            *([f"Bearer {self.token}"] if self.token else []),
        ]
        shown = (authorization or "").encode()
        if accepted and not any(hmac.compare_digest(shown, one.encode()) for one in accepted):
            raise Refused(401, "the credentials are missing or wrong")
