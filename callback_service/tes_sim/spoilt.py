"""How answers look where faults hit them."""

from callback_service.tes_sim.faults import Answer, Faults
from callback_service.tes_sim.reply import HTML, JSON, Manner, Reply

# Nobody hears of it, whether or not the request was carried out.
HUNG_UP = Reply(0, b"", JSON, Manner(hangs_up=True))

_LOGIN = b"<!doctype html><title>Sign in</title><h1>Please sign in</h1>"
_SHAPELESS = b'[{"tasks": 5, "id": null, "state": {}}]'


def instead(error: Reply, faults: Faults) -> Reply:
    """What comes without anything being done; `error` is as the server words it."""
    manner = Manner(faults.delay, faults.drip)
    if faults.answer is Answer.HANG_UP:
        return HUNG_UP
    if faults.answer is Answer.REDIRECT:
        return Reply(302, b"", {"Location": faults.location}, manner)
    return Reply(error.status, error.body, error.headers, manner)


def spoilt(reply: Reply, faults: Faults) -> Reply:
    """The right answer, as the fault lets it out."""
    manner = Manner(faults.delay, faults.drip)
    match faults.answer:
        case Answer.HTML:
            return Reply(200, _LOGIN, HTML, manner)
        case Answer.TRUNCATED:
            return Reply(reply.status, reply.body[: len(reply.body) // 2], JSON, manner)
        case Answer.WRONG_SHAPE:
            return Reply(200, _SHAPELESS, JSON, manner)
        case Answer.ENDLESS:
            return Reply(200, b'{"tasks": [', JSON, Manner(faults.delay, endless=True))
        case Answer.LOST:
            return HUNG_UP
    return Reply(reply.status, reply.body, reply.headers, manner)
