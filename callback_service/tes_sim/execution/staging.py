"""Brings a task's inputs to their places, and its outputs to their URLs: files of this machine."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from callback_service.tes_sim.execution.places import Places

_WILDCARDS = frozenset("*?[")


class StagingFailed(Exception):
    """An input or an output is not there, or nowhere on this machine."""


def prepare(task: Mapping[str, Any], places: Places) -> None:
    """Everything that is there before the first command."""
    folders = [*(task.get("volumes") or ()), *(one.get("workdir") for one in task["executors"])]
    for folder in filter(None, folders):
        places.host(folder).mkdir(parents=True, exist_ok=True)
    for given in task.get("inputs") or ():
        _bring(given, places.host(given["path"]))
    for wanted in task.get("outputs") or ():
        # Docker makes the folders that it is to take outputs from.
        path = places.host(wanted["path"])
        folder = path if _is_directory(wanted) else path.parent
        if not _WILDCARDS & set(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)


def collect(task: Mapping[str, Any], places: Places) -> list[dict[str, str]]:
    """Copy the outputs, and say what they are as a task's log does."""
    return [
        shown for wanted in task.get("outputs") or () for shown in _fetch_output(wanted, places)
    ]


def _bring(given: Mapping[str, Any], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if _is_directory(given) and not given.get("url"):
        place.mkdir(exist_ok=True)
        return
    if given.get("content") or not given.get("url"):
        place.write_text(given.get("content") or "")
        return
    source = _local(given["url"])
    try:
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy2(source, place)
    except OSError as error:
        raise StagingFailed(f"input {source}: {error.strerror or error}") from None


def _fetch_output(wanted: Mapping[str, Any], places: Places) -> Iterator[dict[str, str]]:
    target = _local(wanted.get("url") or "")
    place = places.host(wanted["path"])
    if _WILDCARDS & set(wanted["path"]):
        prefix = places.host(wanted.get("path_prefix") or "/")
        pattern = str(place.relative_to(places.root))
        found = [(one, target / one.relative_to(prefix)) for one in places.root.glob(pattern)]
    elif _is_directory(wanted):
        found = [(one, target / one.relative_to(place)) for one in sorted(place.rglob("*"))]
        target.mkdir(parents=True, exist_ok=True)
    else:
        found = [(place, target)]
    for source, url in found:
        if source.is_dir():
            continue
        try:
            url.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, url)
        except OSError as error:
            raise StagingFailed(f"output {wanted['path']}: {error.strerror or error}") from None
        inside = f"/{source.relative_to(places.root)}"
        yield {"url": url.as_uri(), "path": inside, "size_bytes": str(source.stat().st_size)}


def _is_directory(one: Mapping[str, Any]) -> bool:
    return one.get("type") == "DIRECTORY"


def _local(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme not in {"", "file"} or not parts.path.startswith("/"):
        raise StagingFailed(f"{url!r} is no file of this machine")
    return Path(unquote(parts.path) if parts.scheme else url)
