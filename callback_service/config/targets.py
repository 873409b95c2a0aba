"""The databases of cwl-WES: their URIs, from where the settings say that they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callback_service.config.cwl_wes_settings import TargetSettings
from callback_service.domain.errors import ConfigError
from callback_service.faults import Faults

_SECTION = "custom.cwl_wes.targets"


@dataclass(frozen=True, slots=True)
class Target:
    """A collection of runs; the URI may have a password in it."""

    uri: str = field(repr=False)
    database: str
    collection: str


def resolved(
    targets: Mapping[str, TargetSettings], environ: Mapping[str, str]
) -> dict[str, Target]:
    """Them by name. Raises `ConfigError` with a sentence for each whose URI is not there."""
    faults = Faults()
    found: dict[str, Target] = {}
    for name, target in targets.items():
        with faults.noted():
            uri = _uri(target, f"{_SECTION}.{name}", environ)
            found[name] = Target(uri, target.database, target.collection)
    faults.raise_any()
    return found


def _uri(target: TargetSettings, where: str, environ: Mapping[str, str]) -> str:
    if target.uri_env:
        if uri := environ.get(target.uri_env, "").strip():
            return uri
        variable = target.uri_env
        raise ConfigError(f"{where}.uri_env: there is nothing in the variable {variable}; set it")
    path = target.uri_file
    try:
        uri = path.read_text(encoding="utf-8").strip() if path else ""
    except OSError as error:
        raise ConfigError(f"{where}.uri_file: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}.uri_file: {path} is not UTF-8 text") from None
    if not uri:
        raise ConfigError(f"{where}.uri_file: put the MongoDB URI into {path}, which is empty")
    return uri
