"""What is wrong with settings, in sentences: all of it at once, each with the way out."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from callback_service.domain.errors import ConfigError

# Of those in other sections only what is nearly the same: there are many.
_NEARLY_THE_SAME = 0.8


class Faults:
    """Collects what several checks find, for whoever mends settings wants to do it once."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def note(self, sentence: str) -> None:
        self._sentences.append(sentence)

    @contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except (ConfigError, OSError, ValueError) as error:
            self._sentences += error.args if isinstance(error, ConfigError) else [str(error)]

    def raise_any(self) -> None:
        if self._sentences:
            raise ConfigError(*self._sentences)


def require_file(path: Path, named_by: str = "") -> None:
    if path.is_file():
        return
    fault = "is a folder, not a file" if path.is_dir() else "is not a file"
    raise ConfigError(f"{named_by} names {path}, which {fault}" if named_by else f"{path} {fault}")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a file. Raises `ConfigError` saying where in it the fault is."""
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {_where_and_why(error)}") from None
    if read is not None and not isinstance(read, dict):
        raise ConfigError(f"{path} is not a YAML mapping")
    return read or {}


def _where_and_why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, yaml.YAMLError):
        return "it holds characters that are not allowed in it"
    return str(error)


def explain(
    error: ValidationError,
    model: type[BaseModel],
    prefix: str = "",
    elsewhere: Sequence[str] = (),
) -> list[str]:
    """A sentence for each fault that pydantic found; `elsewhere` are paths of other settings."""
    return [
        _sentence([str(part) for part in fault["loc"]], fault, model, prefix, elsewhere)
        for fault in error.errors(include_url=False)
    ]


def _sentence(
    path: list[str],
    fault: Mapping[str, Any],
    model: type[BaseModel],
    prefix: str,
    elsewhere: Sequence[str],
) -> str:
    where = ".".join([prefix, *path] if prefix else path)
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
    return no_such(where, path[-1], list(_fields_at(model, path[:-1])), elsewhere)


def no_such(where: str, name: str, known: Sequence[str], elsewhere: Sequence[str] = ()) -> str:
    """Says which was meant: one in the same section, else one of nearly that name anywhere."""
    nearest = difflib.get_close_matches(name, known, n=1) or _nearest_in(name, elsewhere)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
    return f"{where}: there is no such setting; {hint}"


def _nearest_in(name: str, paths: Sequence[str]) -> list[str]:
    ends = {path: path.rpartition(".")[2] for path in paths}
    found = difflib.get_close_matches(name, set(ends.values()), n=1, cutoff=_NEARLY_THE_SAME)
    return [path for path, end in ends.items() if found == [end]][:1]


def paths_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting that has a path of fixed names: not those in lists and mappings."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if get_origin(field.annotation) in {None, Union, UnionType} and (
            inner := _model_in(field.annotation)
        ):
            yield from paths_of(inner, f"{prefix}{name}.")


def _fields_at(model: type[BaseModel], path: list[str]) -> Iterator[str]:
    for name in path:
        field = model.model_fields.get(name)
        inner = field and _model_in(field.annotation)
        if inner:
            model = inner
    yield from model.model_fields


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, UnionType, tuple, list, dict}:
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None
