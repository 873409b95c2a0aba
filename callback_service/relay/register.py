"""Runs come, change and go."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.capability import (
    Capability,
    hash_token,
    new_callback_token,
    new_run_id,
    new_secret,
)
from callback_service.domain.errors import Conflict, Unavailable, Unknown
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import Rewind, Run, RunStatus
from callback_service.domain.sink import NoSink, Sink, check_sink, is_quiet
from callback_service.domain.task import TaskKey
from callback_service.relay.ports import Clock, Doorbell, Runs, Tasks
from callback_service.relay.quiet import check_joins, let_owe
from callback_service.relay.record import Recorder, Step
from callback_service.relay.servers import ServerRegistry

DEFAULT_LIFETIME = timedelta(days=7)
# Each is compared with every callback's token, and each secret signs every delivery.
VALID_KEYS = 5


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task as callers name it; without a server it is on the run's own."""

    id: str
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """What a caller says of a new run."""

    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    server: str | None = None
    sink: Sink = field(default_factory=NoSink)
    tasks: Sequence[NamedTask] = ()
    lifetime: timedelta = DEFAULT_LIFETIME
    retry: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True)
class Keys:
    """What is shown once: the callback token, and the secret that deliveries are signed with."""

    token: str
    secret: str


@dataclass(frozen=True)
class Registrar:
    """Every method that takes a run id raises `Unknown` where the owner has no such run."""

    runs: Runs
    tasks: Tasks
    servers: ServerRegistry
    recorder: Recorder
    doorbell: Doorbell
    clock: Clock
    policy: AddressPolicy
    # The names of the databases of cwl-WES that sinks may be in.
    targets: Collection[str] = ()

    def register(self, owner: str, wanted: Registration) -> tuple[Run, Keys]:
        """Raises `InvalidInput` naming the field that cannot be taken."""
        check_sink(wanted.sink, self.policy, self.targets)
        server = self.servers.resolve(wanted.server)
        now, run_id = self.clock.now(), new_run_id()
        keys = Keys(new_callback_token(run_id), new_secret())
        run = Run(
            id=run_id,
            owner=owner,
            server=server,
            name=wanted.name,
            tags=wanted.tags,
            sink=wanted.sink,
            retry=wanted.retry,
            secrets=(Capability(keys.secret),),
            tokens=(Capability(hash_token(keys.token)),),
            created_at=now,
            expires_at=now + wanted.lifetime,
        )
        task_keys = self._task_keys(run, wanted.tasks)
        self.runs.add(run)
        try:
            self._join(run, task_keys)
        except Unavailable:
            # Nobody will learn its keys, and whoever asks again gets another run beside it.
            with suppress(Unavailable):
                self.runs.change(run_id, {"status": RunStatus.ENDING})
            raise
        return run, keys

    def find(self, owner: str, run_id: str) -> Run:
        run = self.runs.find({run_id}).get(run_id)
        if run is None or run.owner != owner or not run.is_open(self.clock.now()):
            raise Unknown(f"there is no run {run_id!r} of yours; it may have expired")
        return run

    def add_tasks(self, owner: str, run_id: str, tasks: Sequence[NamedTask]) -> list[TaskKey]:
        run = self.find(owner, run_id)
        keys = self._task_keys(run, tasks)
        self._join(run, keys)
        return keys

    def change(
        self,
        owner: str,
        run_id: str,
        fields: Mapping[str, object],
        lifetime: timedelta | None = None,
    ) -> Run:
        """Set fields of the run (`name`, `tags`, `sink`, `retry`), or its end from now on."""
        run = self.find(owner, run_id)
        sink = fields.get("sink")
        if isinstance(sink, Sink):
            check_sink(sink, self.policy, self.targets)
        changes = dict(fields)
        if lifetime is not None:
            changes["expires_at"] = self.clock.now() + lifetime
        self.runs.change(run_id, changes)
        if sink is not None:
            # Also where it is the sink of before: whoever set that may not have come this far.
            let_owe(self.runs, self.tasks, run_id)
        # A new address deserves a look now, not when the old one's schedule says so.
        if sink is not None and run.status is RunStatus.ACTIVE:
            self.runs.resume(run_id)
        self.doorbell.ring({run_id})
        return self.find(owner, run_id)

    def pause(self, owner: str, run_id: str) -> Run:
        run = self.find(owner, run_id)
        if run.status is RunStatus.GONE:
            raise Conflict("its receiver wants nothing any more; resume the run to try it again")
        self.runs.change(run_id, {"status": RunStatus.PAUSED})
        return self.find(owner, run_id)

    def resume(self, owner: str, run_id: str) -> Run:
        self.find(owner, run_id)
        self.runs.resume(run_id)
        self.doorbell.ring({run_id})
        return self.find(owner, run_id)

    def redeliver(self, owner: str, run_id: str, rewind: Rewind) -> Run:
        """Ask for updates to be told again; the deliverer does it under its lease."""
        run = self.find(owner, run_id)
        if is_quiet(run.sink):
            raise Conflict("the run has no sink to deliver to; read its updates instead")
        # What was asked for before may not have been carried out yet.
        whole = run.rewind.together_with(rewind) if run.rewind else rewind
        fields = {"rewind": whole, "next_attempt_at": None, "failures": 0}
        self.runs.change(run_id, fields)
        self.doorbell.ring({run_id})
        return self.find(owner, run_id)

    def rotate(self, owner: str, run_id: str, overlap: timedelta) -> Keys:
        """Make new keys; the ones before them stay valid for `overlap`.

        Raises `Conflict` where too many would be valid, and where the keys were
        replaced meanwhile: of two that both replaced what they read, one would be void.
        """
        run = self.find(owner, run_id)
        now = self.clock.now()
        keys = Keys(new_callback_token(run_id), new_secret())
        until = now + overlap
        tokens = _replaced(run.tokens, Capability(hash_token(keys.token)), now, until)
        secrets = _replaced(run.secrets, Capability(keys.secret), now, until)
        if len(tokens) > VALID_KEYS:
            raise Conflict(
                f"{VALID_KEYS} callback URLs of this run are valid already; "
                "wait until one ends, or rotate with an overlap of 0"
            )
        if not self.runs.rekey(run, tokens, secrets):
            # Maybe it was deleted; that is another answer.
            self.find(owner, run_id)
            raise Conflict("its keys were replaced at the same moment; use those, or rotate again")
        return keys

    def delete(self, owner: str, run_id: str) -> None:
        self.find(owner, run_id)
        self.runs.change(run_id, {"status": RunStatus.ENDING})
        try:
            self.tasks.leave(run_id)
            self.runs.remove(run_id)
        except Unavailable:
            # It is ended for its owner and for senders; the next expiry tick tidies up.
            return

    def _task_keys(self, run: Run, tasks: Iterable[NamedTask]) -> list[TaskKey]:
        servers: dict[str | None, str] = {None: run.server}
        for index, task in enumerate(tasks):
            if task.server not in servers:
                field_name = f"tasks.{index}.server"
                servers[task.server] = self.servers.resolve(task.server, field_name)
        return [TaskKey(run.owner, servers[task.server], task.id) for task in tasks]

    def _join(self, run: Run, keys: Iterable[TaskKey]) -> None:
        now, quiet = self.clock.now(), is_quiet(run.sink)
        steps = [Step(key, lambda task: task.join(run.id, now, quiet=quiet)) for key in keys]
        if steps:
            check_joins(self.runs, self.tasks, self.recorder.record(steps))
            self.servers.look_at({step.key.server for step in steps})


def _replaced(
    held: Iterable[Capability], new: Capability, now: datetime, until: datetime
) -> tuple[Capability, ...]:
    """The new one first, for it is the one that counts; the others end at `until` at the latest."""
    ending = [
        replace(one, expires_at=min(until, one.expires_at) if one.expires_at else until)
        for one in held
    ]
    return new, *(one for one in ending if one.is_valid(now))
