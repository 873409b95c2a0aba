"""The reference of the settings says what the code says."""

import importlib.util
import re

import pytest
import yaml

from callback_service.config import ENVIRONMENT
from callback_service.wiring import load
from tests.docs.markdown import REPOSITORY, blocks, documents

CONFIGURATION = REPOSITORY / "docs" / "configuration.md"
SETTINGS = [
    pytest.param(text, id=f"{document.name}:{line}")
    for document in documents()
    for line, text in blocks(document, "yaml")
    if "custom:" in text or "security:" in text
]


def generator():
    path = CONFIGURATION.with_name("generate_configuration.py")
    spec = importlib.util.spec_from_file_location("generate_configuration", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_current():
    assert CONFIGURATION.read_text("utf-8") == generator().generated(), (
        "run: python docs/generate_configuration.py"
    )


def test_every_variable_is_in_the_reference():
    named = set(re.findall(r"`(CALLBACK_\w+|MONGO_\w+)`", CONFIGURATION.read_text("utf-8")))
    assert named >= ENVIRONMENT.keys()


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_in_documents_can_be_used(text, tmp_path, monkeypatch):
    settings = yaml.safe_load(text)
    # What they name is on the reader's machine.
    custom = settings.get("custom", {})
    custom.get("access", {}).pop("tokens_file", None)
    servers = custom.get("servers", {})
    for name in ("ca_file", "credentials_file"):
        servers.pop(name, None)
    secret = tmp_path / "secret"
    secret.write_text("secret\n", encoding="utf-8")
    for target in custom.get("cwl_wes", {}).get("targets", {}).values():
        monkeypatch.setenv(target["uri_env"], "mongodb://127.0.0.1:27017/")
    for entry in servers.get("credentials", {}).values():
        for name, value in entry.items():
            if name.endswith("_env"):
                monkeypatch.setenv(value, "secret")
            if name.endswith("_file"):
                entry[name] = str(secret)
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    monkeypatch.setenv("CALLBACK_CONFIG", str(file))
    load()
