"""What can go wrong, in the domain's words; `entrypoints/api/problems.py` knows HTTP's."""

import re

_DETAILS = re.compile(r"[,;({]")
_CREDENTIALS = re.compile(r"//[^/\s]*@")
_LONGEST_CAUSE = 200


class ServiceError(Exception):
    """Base of everything the service refuses or cannot do; its text is meant for the caller."""

    @property
    def cause(self) -> str | None:
        """For the log, never for callers: what the library said, up to where details begin.

        Those may be whole topologies, or commands with the documents in them.
        """
        if self.__cause__ is None:
            return None
        clause = _CREDENTIALS.sub("//", _DETAILS.split(str(self.__cause__), maxsplit=1)[0])
        return f"{type(self.__cause__).__name__}: {clause[:_LONGEST_CAUSE]}".rstrip(": ")


class InvalidInput(ServiceError):
    """A value that the caller handed in is not acceptable; `field` names it (`sink.url`)."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Unknown(ServiceError):
    """No such thing, or not the caller's."""


class Conflict(ServiceError):
    """The thing is not in a state in which this can be done, or its name is taken."""


class CursorExpired(ServiceError):
    """The cursor points before what is kept: the caller must list again."""


class Forbidden(ServiceError):
    """The caller is known but its role does not allow this."""


class Unavailable(ServiceError):
    """The database did not confirm in time; nothing was acknowledged. Try again."""

    retry_after = 2


class NewerData(Unavailable):
    """What is stored was written by a newer version of this service."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database holds documents of schema {found}, and this version knows {known}: "
            "run a newer version, or name another database"
        )


class ServerFailed(ServiceError):
    """A TES server gave no answer that can be used; `is_late` where it took too long."""

    def __init__(self, reason: str, *, is_late: bool = False) -> None:
        super().__init__(reason)
        self.is_late = is_late


class WesUnreadable(Exception):
    """The runs of a WES cannot be read; its text says why. Callers are answered all the same."""


class ConfigError(Exception):
    """The settings cannot be used; its arguments are a sentence for each thing to mend."""

    def __str__(self) -> str:
        if len(self.args) == 1:
            return str(self.args[0])
        listed = "".join(f"\n  - {sentence}" for sentence in self.args)
        return f"{len(self.args)} settings are wrong:{listed}"
