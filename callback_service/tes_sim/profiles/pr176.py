"""A server that calls back as TESK's unmerged sender does.

https://github.com/ga4gh/task-execution-schemas/pull/176
"""

from dataclasses import replace

from callback_service.tes_sim.profiles.tesk import TESK

PR176 = replace(
    TESK,
    name="pr176",
    calls_back=True,
    tells_first_state=False,
    waits_for_listener=True,
    replays=True,
    tells_early_cancel=False,
)
