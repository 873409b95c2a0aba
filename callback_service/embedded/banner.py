"""What `up` says once everything is ready; each line can be copied and used as it stands."""

from callback_service.embedded.folder import DataFolder
from callback_service.embedded.ports import is_loopback, reachable, url_of
from callback_service.embedded.stack import Options, Surroundings


def banner(
    options: Options, folder: DataFolder, surroundings: Surroundings, token: str | None
) -> list[str]:
    url = url_of(reachable(options.host), options.port)
    return [
        "The TES callback service is ready.",
        f"  service    {url}",
        f"  API        {url}/ui/",
        f"  TES        {url}/ga4gh/tes/v1/ui/",
        *_tasks(options, url),
        *_access(options, folder, surroundings, token),
        f"  data       {folder.root} (logs in {folder.logs})",
        *_reach(options, surroundings),
        "Register a run:",
        _example(options, surroundings, url, token),
        "Ctrl-C stops it.",
    ]


def _tasks(options: Options, url: str) -> list[str]:
    if options.tes is None:
        return []
    return [f"  tasks      go to {options.tes}; its clients take {url} as their TES URL"]


def _access(
    options: Options, folder: DataFolder, surroundings: Surroundings, token: str | None
) -> list[str]:
    if not surroundings.asks_for_token(options):
        return ["  API token  none is asked for: whoever is on this machine may do everything"]
    if token is None:
        return [f"  API token  those in {surroundings.tokens}"]
    return [f"  API token  {token}", f"             (kept in {folder.token})"]


def _reach(options: Options, surroundings: Surroundings) -> list[str]:
    lines = []
    if allowed := surroundings.egress_allow():
        lines.append(f"  deliveries to {allowed} are allowed (CALLBACK_EGRESS_ALLOW)")
    if not is_loopback(options.host):
        public = surroundings.public_url(options)
        lines.append(f"  callbacks  go to {public} (CALLBACK_PUBLIC_URL)")
    return lines


def _example(options: Options, surroundings: Surroundings, url: str, token: str | None) -> str:
    authorization = ""
    if surroundings.asks_for_token(options):
        authorization = f'-H "Authorization: Bearer {token or "$TOKEN"}" '
    return (
        f"curl -X POST {url}/v1/runs {authorization}"
        """-H 'Content-Type: application/json' -d '{"name": "my-run"}'"""
    )
