"""The parts of the gateway, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.freshness import Patience
from callback_service.domain.tes import Tag
from callback_service.relay.gateway.acceptance import Acceptance
from callback_service.relay.gateway.announced import Announced
from callback_service.relay.gateway.book import ServerBook
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.fingerprint import Fingerprinter
from callback_service.relay.gateway.followers import Followers
from callback_service.relay.gateway.forward import Forwarder
from callback_service.relay.gateway.listener import Listener
from callback_service.relay.gateway.look import Looker
from callback_service.relay.gateway.passing import Passing
from callback_service.relay.gateway.repeats import Repeats
from callback_service.relay.gateway.submit import Submitter
from callback_service.relay.gateway.wanting import Wanting
from callback_service.relay.observe import Observer
from callback_service.relay.ports import (
    Clock,
    Fingerprints,
    Outcomes,
    Runs,
    Servers,
    Tasks,
    TesServers,
)
from callback_service.relay.record import Recorder
from callback_service.relay.register import Registrar
from callback_service.relay.watch import Watch

# What a submission may take besides, with a database that answers.
GRACE = timedelta(seconds=1.5)


@dataclass(frozen=True, slots=True)
class Terms:
    """What can be set of it (`custom.gateway`, and when a task is fresh)."""

    tag: Tag
    run_tag: str
    accepted_for: timedelta
    patience: Patience
    # What a server gets to answer.
    answered_within: timedelta
    # The service as TES servers reach it.
    own_url: str | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on."""

    tasks: Tasks
    runs: Runs
    servers: Servers
    fingerprints: Fingerprints
    outcomes: Outcomes
    # Of this host's processes only.
    near_outcomes: Outcomes
    tes: TesServers
    clock: Clock
    policy: AddressPolicy
    recorder: Recorder
    registrar: Registrar
    watch: Watch
    aside: Callable[[Callable[[], None]], None]
    breathe: Callable[[], None]
    pause: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Gateway:
    """Which server is meant, who asks, and each of the operations of TES."""

    book: ServerBook
    fingerprinter: Fingerprinter
    submitter: Submitter
    looker: Looker
    passing: Passing
    tag: Tag


def build_gateway(ground: Ground, terms: Terms) -> Gateway:
    clock, tasks = ground.clock, ground.tasks
    # One for all: they ask the same database.
    breaker = Breaker(clock)
    book = ServerBook(ground.servers, clock, breaker)
    acceptance = Acceptance(
        ground.fingerprints, breaker, clock, terms.accepted_for, ground.aside, ground.pause
    )
    forwarder = Forwarder(ground.tes, acceptance)
    wanting = Wanting(ground.servers, clock, breaker)
    observer = Observer(ground.recorder, clock)
    fingerprinter = Fingerprinter(ground.fingerprints, breaker)
    announced = Announced(ground.tes, clock, ground.aside)
    looker = Looker(
        forwarder=forwarder,
        acceptance=acceptance,
        book=book,
        wanting=wanting,
        tasks=tasks,
        recorder=ground.recorder,
        observer=observer,
        watch=ground.watch,
        breaker=breaker,
        clock=clock,
        patience=terms.patience,
    )
    return Gateway(
        book=book,
        fingerprinter=fingerprinter,
        submitter=Submitter(
            forwarder=forwarder,
            followers=Followers(
                ground.runs, ground.registrar, ground.policy, breaker, clock, terms.own_url
            ),
            listener=Listener(ground.runs, fingerprinter, announced, breaker, clock, terms.own_url),
            repeats=Repeats(
                near=ground.near_outcomes,
                far=ground.outcomes,
                breaker=breaker,
                clock=clock,
                pause=ground.pause,
                open_for=terms.answered_within + GRACE,
            ),
            wanting=wanting,
            recorder=ground.recorder,
            runs=ground.runs,
            tasks=tasks,
            breaker=breaker,
            clock=clock,
            tag=terms.tag,
            run_tag=terms.run_tag,
        ),
        looker=looker,
        passing=Passing(
            forwarder, wanting, tasks, observer, breaker, clock, ground.breathe, looker.refresh
        ),
        tag=terms.tag,
    )
