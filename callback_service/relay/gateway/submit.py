"""`POST /tasks`: handed on once, whatever happens, and followed by whoever asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from callback_service.domain import tes
from callback_service.domain.errors import ServerFailed, Unavailable
from callback_service.domain.run import Run
from callback_service.domain.sink import is_quiet
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.domain.tes import Tag
from callback_service.domain.tes_submission import Submission
from callback_service.relay.gateway.acceptance import accepted
from callback_service.relay.gateway.answer import Answer, answer_of, failed, passed_on
from callback_service.relay.gateway.answer import is_success as went_well
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.followers import Followers, Wish
from callback_service.relay.gateway.forward import Forwarder
from callback_service.relay.gateway.listener import Listener
from callback_service.relay.gateway.named import is_task_id
from callback_service.relay.gateway.repeats import Repeats, digest
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.gateway.wanting import Wanting
from callback_service.relay.ports import Clock, Method, Reply, Runs, Tasks
from callback_service.relay.quiet import check_joins
from callback_service.relay.record import Recorder, Step


@dataclass(frozen=True)
class Submitter:
    forwarder: Forwarder
    followers: Followers
    listener: Listener
    repeats: Repeats
    wanting: Wanting
    recorder: Recorder
    runs: Runs
    tasks: Tasks
    breaker: Breaker
    clock: Clock
    tag: Tag
    run_tag: str

    def submit(self, visit: Visit, submission: Submission, run_id: str | None) -> Answer:
        """Raises `InvalidInput` or `Unknown` before anything is handed on, else `ServerFailed`."""
        begun_at = self.clock.now()
        run_id = run_id or submission.tag(self.run_tag)
        wish = self.followers.wish(visit, run_id, submission.callback_url)
        meant = digest(visit, submission.body, run_id)
        repeated = self.repeats.take(meant, visit.variant)
        if repeated is not None:
            # Its answer got lost, and maybe who should follow it was not put down.
            return self._followed(visit, submission, wish, repeated, None)
        outcome = self.repeats.begin(meant, visit.variant, begun_at)
        try:
            answer = self._submit(visit, submission, wish)
        except ServerFailed as error:
            self.repeats.end(outcome, failed(error))
            raise
        self.repeats.end(outcome, answer)
        return answer

    def _submit(self, visit: Visit, submission: Submission, wish: Wish) -> Answer:
        asked_at = self.clock.now()
        return self._followed(visit, submission, wish, self._ask(visit, submission, wish), asked_at)

    def _followed(
        self,
        visit: Visit,
        submission: Submission,
        wish: Wish,
        answer: Answer,
        asked_at: datetime | None,
    ) -> Answer:
        if not answer.is_success:
            return answer
        task_id = tes.read_created(answer.body)
        is_kept = self._follow(visit, submission, task_id, wish, asked_at)
        self.wanting.expect(visit.server.key)
        return answer if wish.is_none else answer.saying(X_Callback_Registered=_word(is_kept))

    def _ask(self, visit: Visit, submission: Submission, wish: Wish) -> Answer:
        callback_url = self.listener.url_for(visit, wish.owner or visit.owner)
        reply = self._post(visit, submission, callback_url)
        if callback_url is not None and reply.status == 400:
            # A refusal, so nothing was made of it. Maybe it is the URL that it did not like.
            reply = self._post(visit, submission, None)
            if went_well(reply.status):
                self.listener.note_refusal(visit)
        if not went_well(reply.status):
            return passed_on(reply)
        try:
            task_id = tes.read_created(reply.body)
        except tes.NotTes as error:
            raise ServerFailed(
                f"the TES server took the task, but its answer is wrong: {error}"
            ) from None
        return answer_of({"id": task_id}, reply.status)

    def _post(self, visit: Visit, submission: Submission, callback_url: str | None) -> Reply:
        body = submission.forwarded(self.tag, callback_url)
        return self.forwarder.ask(visit, visit.question("/tasks", "", Method.POST, body))

    def _follow(
        self,
        visit: Visit,
        submission: Submission,
        task_id: str,
        wish: Wish,
        asked_at: datetime | None,
    ) -> bool:
        """Whether everybody will be told who is to be."""
        if not visit.is_lasting or not is_task_id(task_id):
            return False
        try:
            runs = list(self.followers.grant(visit, wish))
            # A run that is named by its callback URL may be another owner's, who has the task too.
            owners = {visit.owner, *(run.owner for run in runs)}
            keys = [TaskKey(owner, visit.server.key, task_id) for owner in owners]
            steps = [self._step(visit, submission, key, runs, asked_at) for key in keys]
            changes = self.breaker.call(self.recorder.record, steps)
            self.breaker.call(check_joins, self.runs, self.tasks, changes)
        except Unavailable:
            # The task runs all the same; who asks for it is answered by its server.
            return False
        return not wish.is_lost

    def _step(
        self,
        visit: Visit,
        submission: Submission,
        key: TaskKey,
        runs: Sequence[Run],
        asked_at: datetime | None,
    ) -> Step:
        def decide(task: Task) -> Task:
            now = self.clock.now()
            # No state was said, but from now on there is such a task.
            known = task.hear(State.UNKNOWN, Source.GATEWAY, now)
            if submission.takes_tags:
                known = known.tag()
            for run in runs:
                if run.owner == key.owner:
                    known = known.join(run.id, now, quiet=is_quiet(run.sink))
            is_accepted = visit.shows_own and key.owner == visit.owner and asked_at
            return accepted(known, asked_at) if is_accepted and asked_at else known

        return Step(key, decide)


def _word(truth: bool) -> str:  # noqa: FBT001  it is what it is about
    return "true" if truth else "false"
