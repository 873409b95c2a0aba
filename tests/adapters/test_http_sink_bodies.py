import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from openapi_schema_validator import OAS30ReadValidator

from callback_service.adapters.http_sink.bodies import (
    body_of,
    cloud_event,
    failure_for,
    news_for,
)
from callback_service.domain.delivery import Item
from callback_service.domain.run import Run
from callback_service.domain.sink import Format, WesSink
from callback_service.domain.states import Source, State
from callback_service.domain.task import TaskKey, Update

CONTRACT = Path(__file__).parents[2] / "api" / "specs" / "callback_service.openapi.yaml"
AT = datetime(2026, 1, 2, 4, 4, 5, 6_000, tzinfo=timezone(timedelta(hours=1)))
KEY = TaskKey("local", "tesk", "a/ü")
ITEM = Item(KEY, Update(2, State.COMPLETE, AT, Source.POLL), State.RUNNING)
RUN = Run("r1", "local", "tesk", AT, AT, name="assembly")
UPDATE = (
    '{"server":"tesk","task_id":"a/\\u00fc","seq":2,"state":"COMPLETE","previous":"RUNNING",'
    '"at":"2026-01-02T03:04:05.006Z","source":"poll","final":true}'
)


def test_a_batch_names_the_run_and_every_update():
    body = body_of(Format.BATCH, RUN, [ITEM, ITEM])
    assert body.content_type == "application/json"
    assert body.text == f'{{"run":{{"id":"r1","name":"assembly"}},"updates":[{UPDATE},{UPDATE}]}}'


def test_the_tes_format_is_id_and_state_and_nothing_else():
    body = body_of(Format.TES, RUN, [ITEM])
    assert body == ("application/json", '{"id":"a/\\u00fc","state":"COMPLETE"}')


def test_a_cloud_event_is_structured_and_its_data_is_the_update():
    body = body_of(Format.CLOUDEVENTS, RUN, [ITEM])
    assert body.content_type == "application/cloudevents+json"
    assert body.text == (
        '{"specversion":"1.0","type":"org.ga4gh.tes.task.state",'
        '"source":"/runs/r1/servers/tesk","id":"a/\\u00fc/2","subject":"a/\\u00fc",'
        '"time":"2026-01-02T03:04:05.006Z","datacontenttype":"application/json",'
        f'"data":{UPDATE}}}'
    )


def test_cloud_events_of_different_updates_have_different_identities():
    others = [
        Item(key, Update(seq, State.QUEUED, AT, Source.POLL), State.UNKNOWN)
        for key in (KEY, KEY._replace(task_id="a"), KEY._replace(server="funnel"))
        for seq in (1, 12)
    ]
    events = [cloud_event(RUN, item) for item in others]
    assert len({(event["source"], event["id"]) for event in events}) == len(others)


@pytest.mark.parametrize("sink_format", [Format.TES, Format.CLOUDEVENTS])
@pytest.mark.parametrize("items", [[], [ITEM, ITEM]])
def test_formats_without_a_list_take_exactly_one_update(sink_format, items):
    with pytest.raises(ValueError, match="values to unpack"):
        body_of(sink_format, RUN, items)


WES = WesSink("https://wes.example.org", "A1B2C3")


def test_a_wes_is_told_that_its_run_goes_on_and_each_tasks_newest_state():
    earlier = Item(KEY, Update(1, State.RUNNING, AT, Source.POLL), State.UNKNOWN)
    other = Item(TaskKey("local", "tesk", "b"), earlier.update, State.UNKNOWN)
    body = news_for(WES, RUN, [earlier, other, ITEM])
    assert body.content_type == "application/json"
    assert json.loads(body.text) == {
        "run_id": "A1B2C3",
        "state": "RUNNING",
        "tasks": [{"id": "a/ü", "state": "COMPLETE"}, {"id": "b", "state": "RUNNING"}],
    }


def test_a_wes_is_told_that_its_run_has_failed():
    told = json.loads(failure_for(WES).text)
    assert told == {"run_id": "A1B2C3", "state": "SYSTEM_ERROR", "tasks": []}


@pytest.mark.parametrize("body", [news_for(WES, RUN, [ITEM]), failure_for(WES)])
def test_what_a_wes_is_told_is_what_the_contract_says(body):
    components = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))["components"]
    schema = {**components["schemas"]["WesStatus"], "components": components}
    OAS30ReadValidator(schema).validate(json.loads(body.text))
