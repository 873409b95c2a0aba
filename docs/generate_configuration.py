"""Writes the reference of the settings into docs/configuration.md, from where they are defined.

    python docs/generate_configuration.py

A test fails while the document is not what this writes.
"""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from callback_service.config import ENVIRONMENT
from callback_service.config.cwl_wes_settings import TargetSettings
from callback_service.config.server_settings import CredentialsSettings, StoredCredentials
from callback_service.config.settings import ApiTokenSettings, Settings

DOCUMENT = Path(__file__).with_name("configuration.md")
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"

_WORDS = {
    bool: "true or false",
    str: "text",
    SecretStr: "text",
    int: "whole number",
    float: "number",
    Path: "path",
}
_CREDENTIALS = "[credentials](#credentials) by name"
_BOUNDS = {"gt": "over {}", "ge": "from {}", "le": "to {}", "lt": "under {}"}


def generated() -> str:
    """The document as it should be: what people wrote, and the reference between the marks."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(_reference()) + END + after


def _reference() -> Iterator[str]:
    top = {name: one for name, one in Settings.model_fields.items() if not _is_section(one)}
    yield from _table("", top)
    for name, field in Settings.model_fields.items():
        if _is_section(field):
            section: type[BaseModel] = field.annotation  # type: ignore[assignment]
            yield f"\n### custom.{name}\n\n{section.__doc__}\n"
            yield from _table(f"{name}.", section.model_fields)
    yield from _entry("A token", ApiTokenSettings)
    yield from _entry("Credentials", CredentialsSettings)
    yield "\nIn the file that `servers.credentials_file` names, also:\n"
    own = StoredCredentials.model_fields.keys() - CredentialsSettings.model_fields.keys()
    yield from _table("", {name: StoredCredentials.model_fields[name] for name in sorted(own)})
    yield from _entry("A target", TargetSettings)
    yield ""


def _entry(heading: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"\n### {heading}\n\n{model.__doc__}\n"
    yield from _table("", model.model_fields)


def _table(prefix: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| setting | value | default | what it is |"
    yield "|---|---|---|---|"
    yield from _rows(prefix, fields)


def _rows(prefix: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        path = f"{prefix}{name}"
        if _is_section(field):
            yield from _rows(f"{path}.", field.annotation.model_fields)  # type: ignore[union-attr]
            continue
        yield f"| `{path}` | {_value(field)} | {_default(field)} | {_meaning(path, field)} |"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _value(field: FieldInfo) -> str:
    limits = [
        pattern.format(f"{limit:,}")
        for one in field.metadata
        for name, pattern in _BOUNDS.items()
        if (limit := getattr(one, name, None)) is not None
    ]
    return " ".join([_kind(field.annotation), *limits])


def _kind(annotation: Any) -> str:
    options = [one for one in get_args(annotation) if one not in {NoneType, Ellipsis}]
    if all(isinstance(one, str) for one in options) and options:
        return ", ".join(f"`{one}`" for one in options)
    if get_origin(annotation) is dict:
        inner = options[-1]
        return "[targets](#a-target) by name" if inner is TargetSettings else _CREDENTIALS
    if get_origin(annotation) is tuple:
        (inner,) = options
        return "list of tokens" if inner is ApiTokenSettings else "list of texts"
    return _WORDS[options[0] if options else annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    default = field.default
    if default is None or default in ((), {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _meaning(path: str, field: FieldInfo) -> str:
    variables = [name for name, where in ENVIRONMENT.items() if ".".join(where) == path]
    from_environment = "".join(f" Or `{name}`." for name in variables)
    return f"{field.description}{from_environment}"


if __name__ == "__main__":
    DOCUMENT.write_text(generated(), encoding="utf-8")
