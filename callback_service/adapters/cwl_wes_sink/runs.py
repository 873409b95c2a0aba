"""The runs of cwl-WES, to be looked at."""

from collections.abc import Collection, Mapping

from pymongo.errors import PyMongoError

from callback_service.adapters.cwl_wes_sink.failures import describe
from callback_service.adapters.cwl_wes_sink.target import Target
from callback_service.domain.errors import WesUnreadable
from callback_service.domain.stuck import WesRun


class CwlWesRuns:
    """Reads the targets that it was given by name."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = targets

    def look(self, target: str, wes_run_ids: Collection[str]) -> dict[str, WesRun]:
        found = self._targets.get(target)
        if found is None:
            raise WesUnreadable(f"there is no target {target} among the settings any more")
        try:
            return found.look(wes_run_ids)
        except PyMongoError as failure:
            raise WesUnreadable(describe(failure, target)) from failure

    def close(self) -> None:
        for target in self._targets.values():
            target.close()
