"""Every setting is explained where it is set, and a mistake in one is answered by a sentence."""

# ruff: noqa: E501  a row of a table is one line

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from callback_service import wiring
from callback_service.config import ENVIRONMENT, targets
from callback_service.config.credentials import Credentials, resolved
from callback_service.config.cwl_wes_settings import TargetSettings
from callback_service.config.server_settings import StoredCredentials
from callback_service.config.settings import Settings
from callback_service.config.targets import Target
from callback_service.domain.capability import hash_token
from callback_service.domain.errors import ConfigError
from callback_service.domain.feed import SETTLING
from tests.api.service import environ

# Seconds within which the documentation asks clocks to agree.
AGREEING_CLOCKS = 1.0
CONFIG = Path(__file__).parents[2] / "config.yaml"
TEXT = CONFIG.read_text(encoding="utf-8")
CUSTOM = yaml.safe_load(TEXT)["custom"]


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, (*path, name))
        else:
            yield ".".join((*path, name)), field


SETTINGS = dict(leaves(Settings))


def at(path: str, values: Any) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


def is_explained(lines: list[str], index: int) -> bool:
    """Whether a comment stands above a key, or above it and the ones just before it."""
    indent = len(lines[index]) - len(lines[index].lstrip())
    for line in reversed(lines[:index]):
        if line.lstrip().startswith("#"):
            return True
        if len(line) - len(line.lstrip()) < indent:
            return False
    return False


@pytest.mark.parametrize("path", SETTINGS)
def test_a_setting_stands_in_the_file_with_its_default(path: str) -> None:
    default = SETTINGS[path].get_default()
    assert at(path, CUSTOM) == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("path", SETTINGS)
def test_a_setting_is_explained_in_the_file_and_in_the_code(path: str) -> None:
    lines = TEXT[TEXT.index("\ncustom:") :].splitlines()
    index = 0
    for depth, name in enumerate(path.split("."), start=1):
        key = f"{'  ' * depth}{name}:"
        index = next(
            number for number, line in enumerate(lines) if number > index and line.startswith(key)
        )
    assert is_explained(lines, index)
    assert SETTINGS[path].description


def test_the_file_has_no_settings_besides() -> None:
    def paths(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for name, value in values.items():
            if isinstance(value, dict) and value:
                yield from paths(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    assert set(paths(CUSTOM)) == SETTINGS.keys()


def test_an_entry_explains_itself_too() -> None:
    for model in (StoredCredentials, TargetSettings):
        for _, field in leaves(model):
            assert field.description


def load(folder: Path, text: str = "{}", **variables: str) -> Settings:
    own = folder / "own.yaml"
    own.write_text(text)
    with environ({"CALLBACK_CONFIG": str(own), **variables}):
        return wiring.load().settings


MISTAKES = {
    "custom: {egres: {}}": "custom.egres: there is no such setting; did you mean egress?",
    "custom: {egress: {alow: []}}": "custom.egress.alow: there is no such setting; did you mean allow?",
    "custom: {databse: {}}": "did you mean database?",
    "custom: {access: {tokens: [{hsh: x}]}}": "did you mean hash?",
    "custom: {zzz: 1}": "known are public_url, access",
    "securty: {}": "securty: there is no such setting; did you mean security?",
    "databse: {}": "databse: there is no such setting; did you mean custom.database?",
    "db: {total_timeout: 1}": "did you mean custom.delivery.total_timeout?",
    "custom: {issuers: []}": "did you mean security.auth.issuers?",
    "1: 2": "1: there is no such setting",
    "security: {auht: {}}": "security.auht: there is no such setting; did you mean auth?",
    "server: {prot: 8080}": "server.prot: there is no such setting; did you mean port?",
    "db: {dbs: {callback-service: {colections: {}}}}": "did you mean collections?",
    "custom: {delivery: {concurrency: many}}": "custom.delivery.concurrency: Input should be a valid integer",
    "custom: {delivery: {concurrency: 0}}": "custom.delivery.concurrency: Input should be greater than",
    "custom: {delivery: {total_timeout: .nan}}": "custom.delivery.total_timeout: Input should be",
    "custom: {egress: {allow: [10.0.0.1/8]}}": "custom.egress.allow: 10.0.0.1/8 has host bits set",
    "custom: {egress: {allow: [office]}}": "custom.egress.allow: 'office' does not appear to be",
    "custom: {public_url: example.org}": "custom.public_url: ",
    "custom: {access: {auth: perhaps}}": "custom.access.auth: Input should be a valid boolean",
    "custom: {access: {tokens: [{hash: secret, owner: a}]}}": "custom.access.tokens.0.hash: ",
    "custom: {access: 5}": "custom.access: Input should be",
    "custom: {servers: {fast: 5, slow: 4}}": "custom.servers.slow: must not be less than `fast`",
    "custom: {servers: {requests_per_second: 0}}": "custom.servers.requests_per_second: Input should be greater",
    "custom: {servers: {ca_file: missing.pem}}": "custom.servers.ca_file names missing.pem, which is not a file",
    "custom: {gateway: {tag: {vlaue: a}}}": "custom.gateway.tag.vlaue: there is no such setting; did you mean value?",
    "custom: {gateway: {max_request: 5}}": "custom.gateway.max_request: Input should be greater",
    "custom: 5": "custom: ",
    "custom: [1]": "custom: ",
    "server: {port: many}": "server.port: Input should be a valid integer",
    "server: 5": "server: Input should be",
    "- 1": "is not a YAML mapping",
    "a: [": "own.yaml is not valid YAML: line 1, column 5: ",
    "a: b\nc: d: e": "own.yaml is not valid YAML: line 2, column 5: mapping values are not allowed here",
    "a: \0": "own.yaml is not valid YAML: it holds characters that are not allowed in it",
    "a: 2025-13-01": "own.yaml is not valid YAML: month must be in 1..12",
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), MISTAKES.items())
def test_a_mistake_is_named_with_the_way_out(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value), "values may be secrets"


def test_no_write_may_take_longer_than_readers_wait_for_it(tmp_path: Path) -> None:
    """Or an update could come to stand before a reader's cursor."""
    waited = SETTLING.total_seconds()
    with pytest.raises(ConfigError, match=re.escape("custom.database.timeout")):
        load(tmp_path, f"custom: {{database: {{timeout: {waited}}}}}")
    assert load(tmp_path).database.timeout + AGREEING_CLOCKS <= waited


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = "{databse: 1, server: {prot: 1}, custom: {egres: 1, delivery: {concurrency: 0}}}"
    variables = {"MONGO_URI": "nonsense", "CELERY_BROKER_URL": "nonsense"}
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text, **variables)
    heading, *lines = str(refused.value).splitlines()
    assert heading == "6 settings are wrong:"
    assert {re.split("[: ]", line.removeprefix("  - "))[0] for line in lines} == {
        *("server.prot", "databse", "custom.egres", "custom.delivery.concurrency"),
        *("MONGO_URI", "CELERY_BROKER_URL"),
    }


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    own = tmp_path / "binary"
    own.write_bytes(b"\x80\x81")
    with pytest.raises(ConfigError, match=r"binary is not UTF-8 text$"):
        load(tmp_path, CALLBACK_CONFIG=str(own))


@pytest.mark.parametrize("url", ["nonsense", "carrier-pigeon://coop", "amqp://me:pass/word@a:b//"])
def test_a_broker_that_cannot_be_meant_is_refused_at_once(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"CELERY_BROKER_URL.* look like amqp://") as refused:
        load(tmp_path, CELERY_BROKER_URL=url)
    assert "pass" not in str(refused.value).replace("password", "")


@pytest.mark.parametrize(
    "url",
    [
        *("amqp://a", "amqps://me:pass@a:1/b", "pyamqp://a//", "amqp://a//;amqp://b//", ""),
        *("redis://a:1/0", "rediss://a", "redis+socket:///x", "sentinel://a:1;sentinel://b:1"),
        *("filesystem://", "memory://", "sqs://", "sqla+sqlite:///x", "mongodb://a:1,b:2/c"),
    ],
)
def test_a_broker_that_kombu_may_know_is_not_refused(tmp_path: Path, url: str) -> None:
    load(tmp_path, CELERY_BROKER_URL=url)


def test_a_file_of_ones_own_may_be_short_or_empty(tmp_path: Path) -> None:
    assert load(tmp_path, "custom: {delivery: {concurrency: 7}}").delivery.concurrency == 7
    assert load(tmp_path, "").delivery.concurrency == 500


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match=re.escape(missing)):
        load(tmp_path, CALLBACK_CONFIG=missing)
    with pytest.raises(ConfigError, match=re.escape(missing)):
        load(tmp_path, CALLBACK_API_TOKENS_FILE=missing)


@pytest.mark.parametrize(
    "uri", ["localhost", "http://a", "mongodb://", "mongodb://a:b", "mongodb://a:b@c@d"]
)
def test_a_database_that_cannot_be_meant_is_refused_at_once(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ConfigError, match="MONGO_URI"):
        load(tmp_path, MONGO_URI=uri)


def tokens(folder: Path) -> str:
    path = folder / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"hash": hash_token("a"), "owner": "alice"}]))
    return str(path)


VARIABLES = {
    "CALLBACK_PUBLIC_URL": ("https://tes.example.org/callbacks", None),
    "CALLBACK_AUTH": ("false", False),
    "CALLBACK_API_TOKENS_FILE": ("{folder}/tokens.yaml", None),
    "CALLBACK_EGRESS_ALLOW": ("10.0.0.0/8, 127.0.0.0/8", ("10.0.0.0/8", "127.0.0.0/8")),
    "CALLBACK_BROKER_FOLDER": ("{folder}", None),
    "CALLBACK_CREDENTIALS_FILE": ("{folder}/credentials.yaml", None),
}


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_variable_overrides_the_file(tmp_path: Path, name: str) -> None:
    tokens(tmp_path)
    stored(tmp_path, "{}")
    text, wanted = VARIABLES[name]
    text = text.format(folder=tmp_path)
    settings: Any = load(tmp_path, "custom: {public_url: 'http://a.example.org'}", **{name: text})
    for part in ENVIRONMENT[name]:
        settings = getattr(settings, part)
    assert settings == wanted if wanted is not None else str(settings) == text
    assert name in TEXT, "the file says nothing of it"


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_an_empty_variable_is_none(tmp_path: Path, name: str) -> None:
    """Compose files and charts set what they leave open to nothing."""
    assert load(tmp_path, **{name: ""}) == load(tmp_path)


def test_tokens_of_the_file_and_of_the_settings_are_all_good(tmp_path: Path) -> None:
    own = f"custom: {{access: {{tokens: [{{hash: '{hash_token('b')}', owner: bob}}]}}}}"
    settings = load(tmp_path, own, CALLBACK_API_TOKENS_FILE=tokens(tmp_path))
    assert {token.owner for token in settings.access.tokens} == {"alice", "bob"}


# ---- credentials for TES servers ----


def stored(folder: Path, text: str) -> str:
    path = folder / "credentials.yaml"
    path.write_text(text)
    return str(path)


def credentials(settings: Settings, **environ: str) -> dict[str, Credentials]:
    return resolved(settings.servers.credentials, environ)


def test_credentials_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a secret\n")
    own = f"""custom: {{servers: {{credentials: {{
        basic: {{username: me, password_env: TES_PASSWORD}},
        mounted: {{username: me, password_file: {tmp_path}/password}},
        bearer: {{token_env: TES_TOKEN}},
        replaced: {{token_env: TES_TOKEN}}}}}}}}"""
    file = stored(tmp_path, "{literal: {username: me, password: 'a:b'}, replaced: {token: new}}")
    variables = {"TES_PASSWORD": "a secret", "TES_TOKEN": "abc"}
    settings = load(tmp_path, own, CALLBACK_CREDENTIALS_FILE=file, **variables)
    assert credentials(settings, **variables) == {
        "basic": Credentials("me", "a secret"),
        "mounted": Credentials("me", None, tmp_path / "password"),
        "bearer": Credentials(None, "abc"),
        "literal": Credentials("me", "a:b"),
        "replaced": Credentials(None, "new"),
    }


def test_credentials_are_not_shown(tmp_path: Path) -> None:
    file = stored(tmp_path, "{one: {username: me, password: secret}, two: {token: secret}}")
    settings = load(tmp_path, CALLBACK_CREDENTIALS_FILE=file)
    assert credentials(settings)["two"].secret == "secret"
    for shown in (repr(settings), settings.model_dump_json(), repr(credentials(settings))):
        assert "secret" not in shown.replace("secret=", "")


BAD_CREDENTIALS = {
    "{a: {}}": "credentials.a: must have one of password_env, password_file, token_env, token_file; has none",
    "{a: {token_env: HOME, token_file: x}}": "has token_env and token_file",
    "{a: {username: me}}": "credentials.a: must have one of",
    "{a: {password_env: HOME}}": "credentials.a: a password goes with a username, and a token without one",
    "{a: {username: me, token_env: HOME}}": "a password goes with a username",
    "{a: {username: 'a:b', password_env: HOME}}": "credentials.a.username: must have no colon",
    "{a: {username: '', password_env: HOME}}": "credentials.a.username: ",
    "{a: {token_env: NOT_SET}}": "credentials.a.token_env: there is nothing in the variable NOT_SET; set it",
    "{a: {token_env: EMPTY}}": "credentials.a.token_env: there is nothing in the variable EMPTY",
    "{a: {token_env: TWO_LINES}}": "credentials.a.token_env: the secret must be one line",
    "{a: {token_env: TWO_WORDS}}": "credentials.a.token_env: a token must be ASCII without spaces",
    "{a: {token_file: missing}}": "credentials.a: cannot read missing: No such file",
    "{a: {token_file: .}}": "credentials.a: cannot read .: Is a directory",
    "{a: {token_file: /dev/null}}": "credentials.a: put the secret into /dev/null, which is empty",
    "{a: {token: very-secret}}": "credentials.a.token: there is no such setting; did you mean token_",
    "{a: {username: me, password: very-secret}}": "credentials.a.password: there is no such setting; did you mean password_",
    "{A: {token_env: HOME}}": "credentials: 'A' cannot be a name: must be 1 to 63 lower-case letters",
    "{a: very-secret}": "credentials.a: Input should be",
    "very-secret": "credentials: Input should be",
}  # fmt: skip


@pytest.mark.parametrize(("entries", "says"), BAD_CREDENTIALS.items())
def test_credentials_that_cannot_be_used_are_named_at_the_start(
    tmp_path: Path, entries: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(
            tmp_path,
            f"custom: {{servers: {{credentials: {entries}}}}}",
            EMPTY="",
            TWO_LINES="very-secret\nX-Forged: yes",
            TWO_WORDS="very-secret token",
        )
    assert f"custom.servers.{says}" in str(refused.value) or says in str(refused.value)
    assert "very-secret" not in str(refused.value)


BAD_FILES = {
    "[a]": "is not a YAML mapping",
    "{a: very-secret}": "credentials.yaml: a: Input should be",
    "{a: {tokn: very-secret}}": "credentials.yaml: a.tokn: there is no such setting; did you mean token?",
    "{a: {token: ''}}": "credentials.yaml: a.token: ",
    "{a: {token: very-secret, token_env: HOME}}": "credentials.yaml: a: must have one of",
    '{a: {token: "very-secret\\n"}}': "credentials.a: the secret must be one line",
    "{A: {token: very-secret}}": "credentials.yaml: 'A' cannot be a name",
    "{1: {token: very-secret}, 2: {token: 5}}": "credentials.yaml: 2.token: Input should be a valid string",
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), BAD_FILES.items())
def test_a_file_of_credentials_that_cannot_be_used_is_named(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, CALLBACK_CREDENTIALS_FILE=stored(tmp_path, text))
    assert says in str(refused.value)
    assert "very-secret" not in str(refused.value)


def test_a_file_of_credentials_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match=re.escape(f"{missing} cannot be read")):
        load(tmp_path, CALLBACK_CREDENTIALS_FILE=missing)


# ---- databases of cwl-WES ----

WES_URI = "mongodb://service:very-secret@wes-db:27017/?authSource=admin"


def with_targets(text: str) -> str:
    return f"custom: {{cwl_wes: {{targets: {text}}}}}"


def test_the_uris_of_targets_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "uri").write_text(f"{WES_URI}\n")
    own = with_targets(
        f"{{one: {{uri_env: WES_URI}}, "
        f"two: {{uri_file: {tmp_path}/uri, database: wes, collection: workflows}}}}"
    )
    settings = load(tmp_path, own, WES_URI=WES_URI)
    found = targets.resolved(settings.cwl_wes.targets, {"WES_URI": WES_URI})
    assert found == {
        "one": Target(WES_URI, "cwl-wes-db", "runs"),
        "two": Target(WES_URI, "wes", "workflows"),
    }
    assert "very-secret" not in repr(found)


BAD_TARGETS = {
    "{a: {}}": "targets.a: must have one of uri_env, uri_file",
    "{a: {uri_env: WES_URI, uri_file: x}}": "targets.a: must have one of uri_env, uri_file",
    "{a: {uri: mongodb://very-secret@b/}}": "targets.a.uri: there is no such setting",
    "{a: {uri_env: NOT_SET}}": "a.uri_env: there is nothing in the variable NOT_SET; set it",
    "{a: {uri_file: missing}}": "a.uri_file: cannot read missing: No such file or directory",
    "{a: {uri_file: own.yaml}, b: {uri_env: NOT_SET}}": "b.uri_env: there is nothing in",
    "{a: {uri_env: BAD_URI}}": "targets.a: its URI is none of MongoDB; it looks like mongodb://",
    "{A: {uri_env: WES_URI}}": "'A' cannot be a name",
    "{a: {uri_env: WES_URI, database: ''}}": "a.database: ",
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), BAD_TARGETS.items())
def test_a_target_that_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(
            tmp_path,
            with_targets(text),
            WES_URI=WES_URI,
            BAD_URI="mongodb://service:very-secret@wes-db:27017:5/",
        )
    assert says in str(refused.value)
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["", " \n", b"\x80"])
def test_a_file_without_a_uri_is_named(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "uri"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        load(tmp_path, with_targets(f"{{a: {{uri_file: {path}}}}}"))


def test_what_a_uri_of_a_cluster_stands_for_may_come_later(tmp_path: Path) -> None:
    load(tmp_path, with_targets("{a: {uri_env: U}}"), U="mongodb+srv://a:b@wes.invalid/")
