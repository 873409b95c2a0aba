import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.errors import InvalidInput
from callback_service.domain.tes import Tag
from callback_service.domain.tes_reading import Reader
from callback_service.domain.tes_submission import MOST_FIELDS, Submission, bounded

TAG = Tag("callback-service", "gateway")


def forwarded(body: str) -> str:
    return Submission.read(body.encode()).forwarded(TAG).decode()


def test_everything_else_is_forwarded_as_it_was_written():
    body = (
        ' {"name" : "\\u00e4", "resources": {"ram_gb": 1.50, "cpu_cores": 4E0},\n'
        '"big": 12345678901234567890123, "tiny": 1e-400, "executors": [ {"command": [""]} ]} '
    )
    assert forwarded(body) == (
        '{"name": "\\u00e4", "resources": {"ram_gb": 1.50, "cpu_cores": 4E0}, '
        '"big": 12345678901234567890123, "tiny": 1e-400, "executors": [ {"command": [""]} ], '
        '"tags": {"callback-service": "gateway"}}'
    )


def test_the_callback_url_stays_here_however_it_is_written():
    body = '{"callback\\u005furl": "https://a.example", "name": "n"}'
    assert Submission.read(body.encode()).callback_url == "https://a.example"
    assert "a.example" not in forwarded(body)


def test_the_tag_is_put_beside_those_that_are_there():
    tagged = json.loads(forwarded('{"tags": {"n": "1", "callback-service": "mine"}}'))
    assert tagged == {"tags": {"n": "1", TAG.key: TAG.value}}


@pytest.mark.parametrize("body", ["{}", '{"tags": null}', '{"tags": {}}', ' { "tags" : { } } '])
def test_a_task_without_tags_gets_one(body):
    assert json.loads(forwarded(body)) == {"tags": {TAG.key: TAG.value}}


def test_a_tag_without_a_value_is_left_out():
    """As Cromwell writes them, and as Funnel refuses them."""
    tagged = json.loads(forwarded('{"tags": {"workflow": "w1", "parent": null}}'))
    assert tagged == {"tags": {"workflow": "w1", TAG.key: TAG.value}}


@pytest.mark.parametrize("tags", ["[]", '"a"', "7", "true"])
def test_tags_that_are_none_are_left_for_the_server_to_refuse(tags):
    submission = Submission.read(f'{{"tags": {tags}}}'.encode())
    assert not submission.takes_tags
    assert submission.tag("run") is None
    assert json.loads(submission.forwarded(TAG)) == {"tags": json.loads(tags)}


@pytest.mark.parametrize("body", ["[]", '"a"', "null", "7", '[{"name": "n"}]'])
def test_what_is_no_object_is_no_task(body):
    with pytest.raises(InvalidInput, match="body: must be a JSON object"):
        Submission.read(body.encode())


def test_a_field_that_stands_there_twice_could_be_read_either_way():
    with pytest.raises(InvalidInput, match="tags: stands there twice"):
        Submission.read(b'{"tags": {"a": "b"}, "t\\u0061gs": {}}')


@pytest.mark.parametrize("url", ["7", "[]", "{}", "true"])
def test_a_callback_url_is_text(url):
    with pytest.raises(InvalidInput, match="callback_url: must be a string"):
        _ = Submission.read(f'{{"callback_url": {url}}}'.encode()).callback_url


def test_nobody_asked_to_be_called_back():
    assert Submission.read(b"{}").callback_url is None
    assert Submission.read(b'{"callback_url": null}').callback_url is None


@pytest.mark.parametrize(
    ("tags", "found"), [('{"run": "r1"}', "r1"), ('{"run": ""}', None), ('{"run": 7}', None)]
)
def test_a_tag_is_read_where_it_is_text(tags, found):
    assert Submission.read(f'{{"tags": {tags}}}'.encode()).tag("run") == found


def many(count: int) -> str:
    return json.dumps({f"f{n}": n for n in range(count)})


def test_a_task_may_have_many_fields_and_tags_but_not_any_number():
    most = many(MOST_FIELDS)
    assert len(json.loads(forwarded(most))) == MOST_FIELDS + 1
    assert len(json.loads(forwarded(f'{{"tags": {most}}}'))["tags"]) == MOST_FIELDS + 1
    too_many = many(MOST_FIELDS + 1)
    with pytest.raises(InvalidInput, match="body: must not have more than 10,000 fields"):
        Submission.read(too_many.encode())
    with pytest.raises(InvalidInput, match="tags: must not have more than 10,000 fields"):
        Submission.read(f'{{"tags": {too_many}}}'.encode())


def test_no_more_of_the_fields_is_read_than_it_takes_to_refuse_them():
    class Counted(Reader):
        values = 0

        def value(self):
            self.values += 1
            return super().value()

    reader = Counted(many(3 * MOST_FIELDS), json.JSONDecoder())
    with pytest.raises(InvalidInput):
        _ = [reader.written() for _ in bounded(reader, "body")]
    # Each name and its value, and the name that is one too many.
    assert reader.values == 2 * MOST_FIELDS + 1


def test_space_between_is_passed_at_once():
    space = " \t\r\n" * 1_000_000
    assert forwarded(f'{space}{{{space}"name"{space}:{space}"n"{space}}}{space}') == (
        '{"name": "n", "tags": {"callback-service": "gateway"}}'
    )


def test_of_two_tags_with_one_name_the_server_gets_the_one_that_is_read_here():
    submission = Submission.read(b'{"tags": {"run": "r1", "run": "r2"}}')
    assert submission.tag("run") == "r2"
    assert submission.forwarded(TAG).count(b'"run"') == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(
    st.dictionaries(st.text() | st.just("tags"), VALUES),
    st.dictionaries(st.text(), st.none() | st.text()),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_the_server_gets_the_same_task(fields, tags, indent, is_ascii):
    task = {**fields, "tags": tags, "callback_url": "https://a.example"}
    body = json.dumps(task, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    got = json.loads(Submission.read(body).forwarded(TAG))
    del task["callback_url"]
    given = {name: value for name, value in tags.items() if value is not None}
    assert got == {**task, "tags": {**given, TAG.key: TAG.value}}
