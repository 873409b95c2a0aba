"""`callback-service up` itself: how soon it is ready, and what it costs while nothing happens."""

import time
from typing import Any

from bench.service import scratch_folder, stop, surroundings, wait_until_ready
from bench.usage import usage_of
from callback_service.embedded import ports
from callback_service.embedded.child import Child, Command, Patience, tether
from callback_service.embedded.stack import Programs
from callback_service.entrypoints.cli.service_client import ServiceClient

_SETTLING = 3.0


def at_rest(seconds: float) -> dict[str, Any]:
    """Seconds until it is ready, and of CPU; then a share of one core, and memory in MiB."""
    with scratch_folder() as scratch, tether() as pipe:
        port = ports.pick_free()
        up = (*Programs().api[:-1], "up", "--data", str(scratch / "data"), "--port", str(port))
        environ = surroundings().environ
        child = Child(Command("up", up, scratch / "up.log", environ, 1, 20.0), pipe, Patience())
        began = time.monotonic()
        child.start()
        try:
            wait_until_ready(ServiceClient(ports.url_of("127.0.0.1", port)), [child])
            ready = time.monotonic() - began
            started = usage_of(child.pid or 0).cpu
            return {
                "ready_s": round(ready, 1),
                "ready_cpu_s": round(started, 1),
                **_rest(child, seconds),
            }
        finally:
            stop(child)


def _rest(child: Child, seconds: float) -> dict[str, Any]:
    time.sleep(_SETTLING)
    pid = child.pid or 0
    before = usage_of(pid)
    time.sleep(seconds)
    after = usage_of(pid)
    return {
        "cpu_percent": round(100 * (after.cpu - before.cpu) / seconds, 1),
        "memory_mib": round(after.memory),
    }
