import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.errors import InvalidInput
from callback_service.domain.sink import (
    MAX_HEADER_LENGTH,
    MAX_HEADERS,
    MAX_URL_LENGTH,
    CwlWesSink,
    Format,
    HttpSink,
    NoSink,
    WesSink,
    can_fail,
    check_http_sink,
    check_sink,
    is_quiet,
    place_of,
    takes_batches,
)

POLICY = AddressPolicy()
URL = "https://wes.example/hook"


def refused_field(sink: HttpSink) -> str:
    with pytest.raises(InvalidInput) as refusal:
        check_http_sink(sink, POLICY)
    return refusal.value.field


@pytest.mark.parametrize(
    "url", [URL, "http://wes.example", "https://wes.example:8443/a%20b?c=d", "https://8.8.8.8/"]
)
def test_http_and_https_urls_are_taken(url):
    assert check_http_sink(HttpSink(url), POLICY).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wes.example/hook",
        "ftp://wes.example/",
        "file:///etc/passwd",
        "https:///hook",
        "https://wes.example:0/",
        "https://wes.example:65536/",
        "https://wes.example:port/",
        "https://[::1/",
        "https://user@wes.example/",
        "https://user:word@wes.example/",
        "https://@wes.example/",
        "https://public.example\\@wes.example/",
        "https://wes.example/a b",
        "https://wes.example/\r\nX-Injected: 1",
        "https://wes.example/\x00",
        "https://wés.example/",
        "https://wes.example/" + "a" * MAX_URL_LENGTH,
        "http://127.0.0.1/",
        "http://127.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_a_url_that_cannot_or_may_not_be_posted_to_is_refused(url):
    assert refused_field(HttpSink(url)) == "sink.url"


@given(url=st.text() | st.text().map("https://".__add__))
def test_any_text_is_taken_as_it_is_or_refused(url: str):
    try:
        sink = check_http_sink(HttpSink(url), POLICY)
    except InvalidInput:
        return
    assert sink.url == url
    assert url.isascii()


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-type",
        "Content-Length",
        "Webhook-Signature",
        "transfer-encoding",
        "Connection",
        "User-Agent",
        "X-Forwarded-For",
        "Upgrade",
    ],
)
def test_headers_that_are_the_services_own_are_refused_in_any_case(name):
    assert refused_field(HttpSink(URL, headers={name: "x"})) == f"sink.headers.{name}"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "a" * 129])
def test_a_header_name_is_a_token(name):
    assert refused_field(HttpSink(URL, headers={name: "x"})) == "sink.headers"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\n", "\x00", "ä", "a" * (MAX_HEADER_LENGTH + 1)])
def test_a_header_value_carries_no_control_characters_and_has_an_end(value):
    assert refused_field(HttpSink(URL, headers={"X-Note": value})) == "sink.headers.X-Note"


def test_a_header_is_named_once_and_there_are_not_too_many():
    many = {f"X-{number}": "x" for number in range(MAX_HEADERS + 1)}
    assert refused_field(HttpSink(URL, headers=many)) == "sink.headers"
    assert refused_field(HttpSink(URL, headers={"X-A": "1", "x-a": "2"})) == "sink.headers"


def test_credentials_and_headers_of_ones_own_are_taken():
    check_http_sink(HttpSink(URL, headers={"Authorization": "Bearer x", "X-Note": ""}), POLICY)


def test_only_a_run_that_pulls_is_quiet():
    assert is_quiet(NoSink())
    assert not is_quiet(HttpSink(URL))


def test_a_target_must_be_one_that_is_configured_and_those_are_named():
    check_sink(CwlWesSink("two", "A1B2C3"), POLICY, {"two", "one"})
    for targets, named in (({"two", "one"}, "there is one, two"), (set(), "there is none")):
        with pytest.raises(InvalidInput, match=named) as refusal:
            check_sink(CwlWesSink("three", "A1B2C3"), POLICY, targets)
        assert refusal.value.field == "sink.target"


def test_deliveries_to_one_database_share_a_place_that_no_host_has():
    places = {place_of(CwlWesSink(target, run)) for target in ("a", "b") for run in ("1", "2")}
    assert len(places | {place_of(HttpSink("https://a/")), place_of(HttpSink("https://b/"))}) == 4


def test_only_the_formats_that_have_one_update_each_take_no_batches():
    assert takes_batches(CwlWesSink("a", "1"))
    assert [one for one in Format if takes_batches(HttpSink(URL, one))] == [Format.BATCH]


@pytest.mark.parametrize("base", ["https://wes.example.org/v1", "https://wes.example.org/v1/"])
def test_a_status_is_posted_below_the_base_of_the_wes(base):
    assert WesSink(base, "A1").status_url == "https://wes.example.org/v1/runs/A1/status"


def test_a_run_id_of_a_wes_leads_nowhere_else():
    sink = WesSink("https://wes.example.org", "../a?b=c#d/%2e")
    assert sink.status_url == "https://wes.example.org/runs/..%2Fa%3Fb%3Dc%23d%2F%252e/status"


@pytest.mark.parametrize(
    ("sink", "at"),
    [
        (WesSink("ftp://wes.example.org", "A1"), "sink.url"),
        (WesSink("http://127.0.0.1/", "A1"), "sink.url"),
        (WesSink("https://wes.example.org", ".."), "sink.wes_run_id"),
        (WesSink("https://wes.example.org", "."), "sink.wes_run_id"),
        (WesSink("https://wes.example.org?a=b", "A1"), "sink.url"),
        (WesSink("https://wes.example.org#a", "A1"), "sink.url"),
        (WesSink("https://wes.example.org", "A1", {"Host": "x"}), "sink.headers.Host"),
    ],
)
def test_a_sink_at_a_wes_is_checked_as_a_webhook_is(sink, at):
    with pytest.raises(InvalidInput) as refusal:
        check_sink(sink, POLICY, ())
    assert refusal.value.field == at


def test_a_wes_is_told_many_updates_at_once_and_shares_its_hosts_place():
    sink = WesSink("https://wes.example.org/v1", "A1")
    check_sink(sink, POLICY, ())
    assert takes_batches(sink)
    assert not is_quiet(sink)
    assert place_of(sink) == place_of(HttpSink("https://wes.example.org/hook"))


def test_only_behind_a_wes_there_is_a_run_that_can_fail():
    sinks = [NoSink(), HttpSink(URL), CwlWesSink("a", "1"), WesSink(URL, "1")]
    assert [can_fail(sink) for sink in sinks] == [False, False, True, True]
