"""The listener is what the TES contract says that a TES server sends, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.database import Database

from callback_service import wiring
from callback_service.app import build_app
from callback_service.entrypoints.listener import NoCallback
from tests.api.contract import SERVICE, SPECS
from tests.api.service import Service, environ, environment

Change = Callable[[dict[str, Any]], object]


def callback(tes: dict[str, Any]) -> dict[str, Any]:
    (item,) = tes["paths"]["/tasks"]["post"]["callbacks"]["statusChange"].values()
    operation: dict[str, Any] = item["post"]
    return operation


def status(tes: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = tes["components"]["schemas"]["tesCallbackStatus"]
    return schema


@pytest.fixture
def service_with(
    mongo_uri: str, mongo_database: Database[dict[str, Any]], tmp_path: Path
) -> Callable[[Change], Service]:
    """Makes a service whose TES contract is another one."""

    def make(change: Change) -> Service:
        tes = yaml.safe_load((SPECS / "tes.openapi.yaml").read_text(encoding="utf-8"))
        change(tes)
        (tmp_path / "tes.yaml").write_text(yaml.safe_dump(tes))
        with environ(environment(mongo_uri, mongo_database.name, tmp_path)):
            configured = wiring.load()
            configured.foca.conf.api.specs[1].path = [tmp_path / "tes.yaml"]
            return Service(build_app(configured), mongo_database)

    return make


def add_required(tes: dict[str, Any]) -> None:
    status(tes)["required"].append("at")
    status(tes)["properties"]["at"] = {"type": "string"}


CHANGES: dict[str, tuple[Change, dict[str, Any], int]] = {
    "nothing": (lambda _: None, {}, 204),
    "a property that is required": (add_required, {}, 400),
    "that property is sent": (add_required, {"at": "noon"}, 204),
    "a shorter id": (lambda tes: status(tes)["properties"]["id"].update(maxLength=3), {}, 400),
    "no property besides": (
        lambda tes: status(tes).update(additionalProperties=False),
        {"more": 1},
        400,
    ),
    "a state less": (
        lambda tes: tes["components"]["schemas"]["tesCallbackState"]["enum"].remove("RUNNING"),
        {},
        400,
    ),
}


@pytest.mark.parametrize(("change", "more", "wanted"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_contract_is_a_change_of_the_listener(
    service_with: Callable[[Change], Service], change: Change, more: dict[str, Any], wanted: int
) -> None:
    service = service_with(change)
    path = "/callbacks/" + service.register()["callback_url"].rpartition("/")[2]
    body = {"id": "job-1", "state": "RUNNING", **more}
    assert service.call("POST", path, body, token=None).status_code == wanted


def test_the_listener_is_described_where_it_is_served(
    service_with: Callable[[Change], Service],
) -> None:
    service = service_with(lambda tes: callback(tes).update(summary="Another summary"))
    served = service.call("GET", "/openapi.json").json
    assert served["paths"]["/callbacks/{token}"]["post"]["summary"] == "Another summary"


def test_there_is_no_listener_without_a_callback(
    service_with: Callable[[Change], Service],
) -> None:
    with pytest.raises(NoCallback, match="statusChange"):
        service_with(lambda tes: tes["paths"]["/tasks"]["post"].pop("callbacks"))


def test_nobody_has_written_the_listener_down_a_second_time() -> None:
    assert "/callbacks" not in str(SERVICE["paths"])
    assert not [name for name in SERVICE["components"]["schemas"] if "callback" in name.lower()]
