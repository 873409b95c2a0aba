"""How a simulated server is set up."""

from dataclasses import dataclass, field

from callback_service.tes_sim.credentials import Credentials
from callback_service.tes_sim.script import DEFAULT, Script


@dataclass(frozen=True, slots=True)
class Conditions:
    """Scripts run `speed` times as fast as they say.

    Where tasks are executed, scripts say how long they wait for that.
    """

    script: Script = DEFAULT
    speed: float = 1.0
    credentials: Credentials = field(default_factory=Credentials)
    executes: bool = False
