"""Whatever the domain can say survives the database's own encoding, there and back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.delivery import (
    from_attempt,
    from_letter,
    to_attempt,
    to_letter,
)
from callback_service.adapters.mongo.documents.outcome import from_outcome, to_outcome
from callback_service.adapters.mongo.documents.run import from_run, to_run
from callback_service.adapters.mongo.documents.server import from_server, to_server
from callback_service.adapters.mongo.documents.task import (
    OUTLINE,
    from_task,
    to_task,
    to_unsettled,
)
from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Answer, Attempt, DeadLetter, Item, Span
from callback_service.domain.freshness import outlined
from callback_service.domain.polling import Polling
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import Failing, Lease, Rewind, Run
from callback_service.domain.server import Server
from callback_service.domain.sink import CwlWesSink, HttpSink, NoSink, WesSink
from callback_service.domain.task import Task, TaskKey, Update
from callback_service.relay.ports import Outcome

AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
run_ids = st.from_regex(r"r[0-9a-f]{20}", fullmatch=True)
numbers = st.integers(0, 2**31)
# As the clock gives them: UTC, whole milliseconds.
times = st.integers(0, 2**41).map(
    lambda millis: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
)
waits = st.floats(0, 10**7).map(lambda seconds: timedelta(seconds=round(seconds, 3)))
seconds = st.floats(0, 10**6)
tags = st.dictionaries(texts, texts, max_size=4)

keys = st.builds(TaskKey, texts, texts, texts)
updates = st.builds(Update, seq=numbers, at=times, reason=st.none() | texts.filter(bool))
spans = st.builds(Span, keys, numbers, numbers)
capabilities = st.builds(Capability, texts, st.none() | times)
several = st.lists(capabilities, max_size=3).map(tuple)
maybe_times = st.none() | times
tasks = st.builds(
    Task,
    key=keys,
    seq=numbers,
    history=st.lists(updates, max_size=5).map(tuple),
    runs=st.lists(run_ids, unique=True).map(tuple),
    quiet=st.frozensets(run_ids, max_size=3),
    joined=st.dictionaries(run_ids, times, max_size=3),
    delivered=st.dictionaries(run_ids, numbers, max_size=3),
    owed=st.frozensets(run_ids, max_size=3),
    rev=numbers,
    updated_at=maybe_times,
    heard_at=maybe_times,
    confirmed_at=maybe_times,
    missing_at=maybe_times,
    accepted_at=maybe_times,
    is_tagged=...,
    state=...,
)
runs = st.builds(
    Run,
    id=run_ids,
    owner=texts,
    server=texts,
    created_at=times,
    expires_at=times,
    name=texts,
    tags=tags,
    sink=st.builds(NoSink)
    | st.builds(HttpSink, url=texts, headers=tags)
    | st.builds(CwlWesSink, texts, texts)
    | st.builds(WesSink, texts, texts, tags),
    secrets=several,
    tokens=several,
    retry=st.builds(RetryPolicy, st.lists(seconds, max_size=4).map(tuple)),
    failures=numbers,
    next_attempt_at=maybe_times,
    lease=st.builds(Lease, numbers, st.none() | texts, maybe_times),
    batch=st.lists(spans, max_size=3).map(tuple),
    failing=st.none() | st.builds(Failing, texts, times, texts),
    rewind=st.none()
    | st.builds(Rewind, maybe_times, st.none() | st.lists(texts, max_size=3).map(tuple)),
    last_delivery_at=maybe_times,
    last_error=st.none() | texts,
)
# `...`: whatever the field's type can be.
pollings = st.builds(
    Polling,
    claim=numbers,
    held_until=maybe_times,
    next_at=maybe_times,
    polled_at=maybe_times,
    covered_at=maybe_times,
    wanted_until=maybe_times,
    waited_until=maybe_times,
    paid_until=maybe_times,
    requests=numbers,
    failures=numbers,
    error=st.none() | texts,
    filters=...,
    told=numbers,
    found=numbers,
    learnt=...,
)
servers = st.builds(
    Server,
    key=texts,
    url=texts,
    created_at=times,
    calls_back=...,
    is_default=...,
    access=...,
    credentials=st.none() | texts,
    polling=pollings,
)
outcomes = st.builds(
    Outcome,
    digest=texts,
    rank=numbers,
    at=times,
    status=numbers,
    body=st.binary(max_size=20),
    content_type=texts,
)
answers = st.builds(
    Answer,
    status=st.none() | st.integers(100, 599),
    error=st.none() | texts,
    retry_after=st.none() | waits,
    latency=seconds,
    body=texts,
)
attempts = st.builds(
    Attempt,
    run_id=run_ids,
    webhook_id=texts,
    at=times,
    number=numbers,
    updates=numbers,
    answer=answers,
)
letters = st.builds(
    DeadLetter, run_id=run_ids, item=st.builds(Item, keys, updates), reason=texts, at=times
)


def stored(document: Document) -> Document:
    return bson.decode(bson.encode(document), AWARE)


@given(tasks)
def test_tasks(task: Task):
    document = stored(from_task(task))
    assert to_task(document) == task
    assert document["_id"] == str(task.key)


@given(tasks)
def test_what_asking_for_tasks_needs(task: Task):
    document = stored(from_task(task))
    assert to_unsettled({name: document[name] for name in OUTLINE}) == outlined(task)
    assert document.get("unsettled") == (None if task.is_settled else task.key.server)


@given(runs)
def test_runs(run: Run):
    assert to_run(stored(from_run(run))) == run


@given(servers)
def test_servers(server: Server):
    assert to_server(stored(from_server(server))) == server


@given(outcomes)
def test_outcomes(outcome: Outcome):
    assert to_outcome(stored({"_id": outcome.id, **from_outcome(outcome)})) == outcome


@given(attempts)
def test_attempts(attempt: Attempt):
    assert to_attempt(stored(from_attempt(attempt))) == attempt


@given(letters)
def test_letters(letter: DeadLetter):
    assert to_letter(stored(from_letter(letter))) == letter


@given(letters, letters)
def test_letters_share_an_id_only_where_they_are_of_one_update(one: DeadLetter, other: DeadLetter):
    same = (one.run_id, str(one.item.key), one.item.update.seq) == (
        other.run_id,
        str(other.item.key),
        other.item.update.seq,
    )
    assert (from_letter(one)["_id"] == from_letter(other)["_id"]) == same
