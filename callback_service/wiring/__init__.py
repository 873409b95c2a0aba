"""The composition root: the only package that names every class.

Nothing here connects: the database and the broker are reached when they are first needed.
"""

from callback_service.wiring.configured import Configured, check_access, database_address, load
from callback_service.wiring.gateway import HOST_FOLDER
from callback_service.wiring.intake import Intake
from callback_service.wiring.prepare import DefaultServer, migrate, prepare
from callback_service.wiring.stores import Stores, celery_of, refuse_newer_data, stores
from callback_service.wiring.telling import Telling

__all__ = [
    "HOST_FOLDER",
    "Configured",
    "DefaultServer",
    "Intake",
    "Stores",
    "Telling",
    "celery_of",
    "check_access",
    "database_address",
    "load",
    "migrate",
    "prepare",
    "refuse_newer_data",
    "stores",
]
