"""Tries what the environment names in place of the built-in parts, before anything is started.

The libraries are imported only then: with the built-in parts, this process needs neither.
"""

import warnings
from typing import Any

from callback_service.embedded.errors import CannotStart

_PATIENCE = 3.0


def require_database(uri: str) -> None:
    from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError  # noqa: PLC0415

    try:
        if not uri.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("it does not begin with mongodb://")  # noqa: TRY301  said once, below
        _ping(uri)
    except (ConfigurationError, ValueError) as error:
        raise CannotStart(
            f"MONGO_URI cannot be used ({_brief(error)}): it has to look like "
            "mongodb://user:password@host:27017/?replicaSet=rs0."
        ) from error
    except OperationFailure as error:
        raise CannotStart(
            f"The database of MONGO_URI ({_hosts_in(uri)}) refuses us ({_brief(error)}): "
            "check the user, the password and authSource in it."
        ) from error
    except PyMongoError as error:
        raise CannotStart(
            f"The database of MONGO_URI ({_hosts_in(uri)}) does not answer: "
            "start it, correct MONGO_URI, or unset it to use the built-in database."
        ) from error


def _ping(uri: str) -> None:
    from pymongo import MongoClient  # noqa: PLC0415

    patience = int(_PATIENCE * 1000)
    with warnings.catch_warnings():
        # The service warns of unknown options in its log; here they would stand in the way.
        warnings.simplefilter("ignore")
        client: MongoClient[dict[str, Any]] = MongoClient(
            uri,
            serverSelectionTimeoutMS=patience,
            connectTimeoutMS=patience,
            socketTimeoutMS=patience,
        )
    with client:
        client.admin.command("ping")


def require_broker(url: str) -> None:
    from kombu.connection import Connection  # noqa: PLC0415

    transport = url.partition("://")[0]
    try:
        if "://" not in url:
            # Kombu takes a word for the name of a host.
            raise ValueError("it does not begin with amqp://")  # noqa: TRY301  said once, below
        if transport == "memory":
            raise KeyError(transport)  # noqa: TRY301  it reaches no other process: same sentence
        with Connection(  # type: ignore[no-untyped-call]
            url, connect_timeout=_PATIENCE
        ) as connection:
            connection.connect()
    except KeyError as error:
        raise CannotStart(
            f"CELERY_BROKER_URL names no broker that can be used ({transport}): it has to look "
            "like amqp://user:password@host:5672// or redis://host:6379/0."
        ) from error
    except ValueError as error:
        raise CannotStart(
            f"CELERY_BROKER_URL cannot be used ({_brief(error)}): it has to look "
            "like amqp://user:password@host:5672// or redis://host:6379/0."
        ) from error
    except (ImportError, AttributeError) as error:
        # The transport for Redis takes a missing library for None, and fails at its attributes.
        raise CannotStart(
            f"The broker of CELERY_BROKER_URL needs a library that is not installed: "
            f"pip install 'celery[{transport}]'."
        ) from error
    except Exception as error:  # every transport raises its own kinds
        raise CannotStart(
            f"The broker of CELERY_BROKER_URL ({_hosts_in(url)}) cannot be used "
            f"({_brief(error)}): start it, correct CELERY_BROKER_URL, or unset it to use the "
            "built-in broker."
        ) from error


def _hosts_in(uri: str) -> str:
    """Without the user and the password."""
    return uri.rpartition("://")[2].rpartition("@")[2].partition("/")[0]


def _brief(error: Exception) -> str:
    """The first clause; drivers append the state of everything that they know."""
    return str(error).partition(", full error")[0].rstrip(".")
