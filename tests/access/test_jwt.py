"""JWTs of trusted issuers as bearer tokens: a real issuer over HTTP, real signatures."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient

from callback_service import wiring
from callback_service.app import build_app

AUDIENCE = "callback-service"
ALICE = "alice"


@dataclass
class Issuer:
    url: str
    key: rsa.RSAPrivateKey

    def token(self, **claims: Any) -> str:
        known = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": ALICE,
            "iat": time.time(),
            "exp": time.time() + 60,
        }
        headers = {"kid": "one", "typ": "at+jwt"}
        return jwt.encode({**known, **claims}, self.key, algorithm="RS256", headers=headers)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)

    class Documents(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://127.0.0.1:{server.server_port}"
            discovery = {"issuer": base, "jwks_uri": f"{base}/keys"}
            keys = {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}
            body = json.dumps(keys if self.path == "/keys" else discovery).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Documents) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Issuer(f"http://127.0.0.1:{server.server_port}", key)
        server.shutdown()


@pytest.fixture
def client(issuer: Issuer, mongo_uri: str, mongo_database, tmp_path, monkeypatch) -> FlaskClient:
    settings = {
        "security": {"auth": {"issuers": [issuer.url], "audience": [AUDIENCE]}},
        "custom": {"access": {"jwt_admins": [f"admin@{issuer.url}"]}},
    }
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("CALLBACK_CONFIG", str(path))
    monkeypatch.setenv("CALLBACK_BROKER_FOLDER", str(tmp_path / "broker"))
    monkeypatch.setenv("CELERY_BROKER_URL", "filesystem://")
    monkeypatch.setenv("MONGO_URI", mongo_uri)
    monkeypatch.setenv("MONGO_DBNAME", mongo_database.name)
    return build_app(wiring.load()).test_client()


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_subject_at_its_issuer_owns_what_it_registers(client: FlaskClient, issuer: Issuer):
    answer = client.post("/v1/runs", json={}, headers=bearing(issuer.token()))

    assert answer.status_code == 201
    assert answer.json["owner"] == f"{ALICE}@{issuer.url}"


def test_another_subjects_run_is_unknown(client: FlaskClient, issuer: Issuer):
    mine = client.post("/v1/runs", json={}, headers=bearing(issuer.token())).json["id"]

    answer = client.get(f"/v1/runs/{mine}", headers=bearing(issuer.token(sub="bob")))

    assert answer.status_code == 404


def test_servers_are_registered_by_named_admins_only(client: FlaskClient, issuer: Issuer):
    server = {"name": "funnel", "url": "https://tes.example.org"}

    alice = client.post("/v1/servers", json=server, headers=bearing(issuer.token()))
    admin = client.post("/v1/servers", json=server, headers=bearing(issuer.token(sub="admin")))

    assert (alice.status_code, admin.status_code) == (403, 201)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"aud": "somebody-else"},
        {"iss": "http://127.0.0.1:1/not-trusted"},
        {"sub": None},
    ],
    ids=["expired", "another audience", "another issuer", "no subject"],
)
def test_other_tokens_are_refused(client: FlaskClient, issuer: Issuer, claims: dict[str, Any]):
    token = issuer.token(**claims) if claims.get("sub", "") is not None else unnamed(issuer)

    answer = client.get("/v1/runs", headers=bearing(token))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["detail"].startswith("send 'Authorization: Bearer TOKEN'")


def test_a_token_that_somebody_else_signed_is_refused(client: FlaskClient, issuer: Issuer):
    forger = Issuer(issuer.url, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    assert client.get("/v1/runs", headers=bearing(forger.token())).status_code == 401


def unnamed(issuer: Issuer) -> str:
    claims = {"iss": issuer.url, "aud": AUDIENCE, "iat": time.time(), "exp": time.time() + 60}
    headers = {"kid": "one", "typ": "at+jwt"}
    return jwt.encode(claims, issuer.key, algorithm="RS256", headers=headers)
