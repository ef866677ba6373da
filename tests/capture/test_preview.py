"""What a preview promises."""

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import io
import json
import math
import pathlib
import threading
import types
import typing
import uuid
import zoneinfo

import pydantic
import pytest
from any_value import Colour, Model, Order, anything
from hypothesis import given
from hypothesis import strategies as st

from infinium_integrations.capture.preview import HIDDEN, SLACK, is_secret_key, is_small, preview, to_json_value
from infinium_integrations.redaction.key_names import words

BASE64 = "iVBORw0KGgoAAAANSUhEUgAA" + "aB3dE5gH7jK9mN1pQ4sT6vW8xZ0bC2eF4hJ6kL8nP0rS2uV4yA6cD8fG1iM3oR5t" * 40


class Point(typing.NamedTuple):
    x: int
    y: int


def test_a_string_stands_as_it_is():
    assert preview('a "quoted"\nline', 500) == 'a "quoted"\nline'


def test_a_long_string_keeps_its_slack_and_no_more():
    assert preview("ab " * 400_000, 500) == ("ab " * 400)[: 500 + SLACK]


def test_other_values_are_written_like_json():
    value = {"q": 'say "hi"', "n": [1, 2.5, None, True], "t": (1, 2), 3: {}}
    assert preview(value, 500) == '{"q": "say \\"hi\\"", "n": [1, 2.5, null, true], "t": [1, 2], "3": {}}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (b"abc", "<bytes 3>"),
        (bytearray(5), "<bytearray 5>"),
        (memoryview(b"1234"), "<memoryview 4>"),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03:04:00+00:00"),
        (dt.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")), "2026-01-02T00:00:00+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(seconds=5), "0:00:05"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (range(3), "range(0, 3)"),
        (ValueError("no such thing", 5), "ValueError: no such thing, 5"),
        (KeyError(object()), "KeyError"),
        (int, "<class int>"),
        (len, "<function len>"),
        (preview, "<function preview>"),
        (object(), "<object>"),
        (io.StringIO("x"), "<StringIO>"),
        (types.SimpleNamespace(a=1), '{"a": 1}'),
        ({"a": 1}.keys(), '["a"]'),
        (collections.deque([1, 2]), "[1, 2]"),
        (frozenset([1]), "[1]"),
        (collections.OrderedDict(a=1), '{"a": 1}'),
        (collections.Counter("aa"), '{"a": 2}'),
        (Point(1, 2), '{"x": 1, "y": 2}'),
        (10**400, "<int of about 401 digits>"),
        ({(1, "a"): None, None: 1, 1.5: 2}, '{"[1, \\"a\\"]": null, "null": 1, "1.5": 2}'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_value_of_a_known_type_is_readable(value, text):
    assert preview(value, 500) == text


class Word(enum.StrEnum):
    YES = "yes"


class Number(enum.IntEnum):
    ONE = 1


def test_members_of_enums_are_told_by_name_or_value():
    assert preview([Colour.RED, Word.YES, Number.ONE], 500) == '["Colour.RED", "yes", 1]'


@dataclasses.dataclass(slots=True)
class Slotted:
    number: int
    text: str = "t"


class Open(pydantic.BaseModel, extra="allow"):
    a: int = 1


def test_dataclasses_and_models_are_opened_field_by_field():
    assert preview(Order(1, "secret", object()), 500) == f'{{"number": 1, "api_key": "{HIDDEN}"}}'
    assert preview(Slotted(1), 500) == '{"number": 1, "text": "t"}'
    assert preview(Open(b=2), 500) == '{"a": 1, "b": 2}'


def test_a_slot_that_was_never_set_is_left_out():
    assert preview(Slotted.__new__(Slotted), 500) == "{}"


def test_a_model_shows_its_content_first_and_no_empty_fields():
    assert preview(Model(content="hello", id="7"), 500) == f'{{"content": "hello", "id": "7", "password": "{HIDDEN}"}}'


def test_langchains_messages_and_documents_show_their_text_first():
    documents = pytest.importorskip("langchain_core.documents")
    messages = pytest.importorskip("langchain_core.messages")
    assert preview(messages.HumanMessage("hello"), 500).startswith('{"content": "hello"')
    assert preview(documents.Document("text", metadata={"source": "a"}), 500).startswith('{"page_content": "text"')


def test_a_model_of_pydantics_first_version_is_opened():
    class Old:
        __fields_set__ = frozenset()

        def __init__(self):
            self.text = "t"

    assert preview(Old(), 500) == '{"text": "t"}'


def test_arrays_tables_and_pictures_become_type_and_shape():
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    picture = pytest.importorskip("PIL.Image")
    assert preview(numpy.zeros((3, 4), dtype="float32"), 500) == "<ndarray (3, 4) float32>"
    assert preview([numpy.int64(3), numpy.float64(1.5), numpy.bool_(True)], 500) == "[3, 1.5, true]"
    assert preview(numpy.datetime64("2026-01-02"), 500) == "2026-01-02"
    assert preview(pandas.DataFrame({"a": [1, 2]}), 500) == "<DataFrame (2, 1)>"
    assert preview(pandas.Series([1, 2]), 500) == "<Series (2,) int64>"
    assert preview(picture.new("RGB", (4, 3)), 500) == "<Image 4 x 3>"


# what must not happen ------------------------------------------------------------------------------------------------


def explode(*_args, **_kwargs):
    raise AssertionError("the user's own code was called")


HOSTILE = ("__repr__", "__str__", "__len__", "__iter__", "__getattr__", "__bool__", "__hash__", "__eq__", "__format__")
HOSTILE += (
    "__getitem__",
    "__contains__",
    "__index__",
    "__int__",
    "__float__",
    "__next__",
    "__call__",
    "__getattribute__",
)
HOSTILE += (
    "keys",
    "values",
    "items",
    "get",
    "dict",
    "model_dump",
    "isoformat",
    "bit_length",
    "__sizeof__",
    "__reduce__",
)


def hostile(base=object, *args):
    names = {name: explode for name in HOSTILE if not (base in {dict, set} and name == "__hash__")}
    return base.__new__(type("Hostile", (base,), names), *args)


@pytest.mark.parametrize("base", [object, dict, list, tuple, set, frozenset, str, int, float, bytes, collections.deque])
def test_no_code_of_the_users_classes_is_called(base):
    value = hostile(base)
    assert preview(value, 500) in {"<Hostile>", "{}", "[]", "", "0", "0.0", "<Hostile 0>"}
    preview({"a": [value], "b": (value,)}, 500)
    to_json_value({"a": [value]})


def test_an_error_of_the_users_own_is_not_asked_for_its_text():
    error = type("Mine", (Exception,), {"__str__": explode, "__repr__": explode})("no", object())
    assert preview(error, 500) == "Mine: no"


def test_no_property_is_read():
    class Lazy(pydantic.BaseModel):
        a: int = 1

        @property
        def b(self):
            explode()

    assert preview(Lazy(), 500) == '{"a": 1}'


def test_a_time_zone_of_the_users_own_is_not_asked():
    zone = type("Zone", (dt.tzinfo,), {"utcoffset": explode, "tzname": explode, "dst": explode})()
    assert preview(dt.datetime(2026, 1, 2, tzinfo=zone), 500) == "2026-01-02T00:00:00"


def test_generators_and_streams_are_not_consumed():
    numbers = (number for number in range(3))
    walker, lines = iter([1, 2]), io.StringIO("a\nb")
    assert (
        preview([numbers, walker, lines, map(str, [1])], 500)
        == '["<generator>", "<list_iterator>", "<StringIO>", "<map>"]'
    )
    assert [*numbers, *walker, lines.readline()] == [0, 1, 2, 1, 2, "a\n"]


def test_coroutines_are_not_awaited():
    async def later():
        explode()

    coroutine = later()
    assert preview({"a": coroutine}, 500) == '{"a": "<coroutine>"}'
    coroutine.close()
    assert preview(asyncio.Event(), 500) == "<Event>"


def test_a_value_that_holds_itself_is_marked():
    value = {"a": 1}
    value["self"] = value
    value["list"] = [value]
    assert preview(value, 500) == '{"a": 1, "self": "<circular>", "list": ["<circular>"]}'


def test_the_same_value_twice_is_no_circle():
    inner = [1]
    assert preview([inner, inner], 500) == "[[1], [1]]"


def test_what_lies_too_deep_is_counted():
    value = []
    for _ in range(5_000):
        value = [value]
    assert preview(value, 500) == "[" * 10 + '"<list of 1>"' + "]" * 10


def test_a_million_items_are_counted_not_written():
    assert len(preview(list(range(10**6)), 500)) == 500 + SLACK
    assert to_json_value(list(range(10**6)), items=3) == [0, 1, 2, "… 999,997 more"]
    assert to_json_value(dict.fromkeys(range(9), 1), items=2) == {"0": 1, "1": 1, "…": "7 more"}


def test_a_value_that_changes_while_it_is_read_does_no_harm():
    value = dict.fromkeys(range(1_000))
    stop = threading.Event()

    def change():
        while not stop.is_set():
            value[object()] = 1
            value.pop(next(iter(value)))

    thread = threading.Thread(target=change)
    thread.start()
    for _ in range(300):
        assert preview(value, 500)
        assert preview([value.keys()], 500)
    stop.set()
    thread.join(60)


def test_a_full_stack_does_no_harm():
    def deeper():
        try:
            return deeper()
        except RecursionError:
            return preview({"a": {"b": [{"c": object()}]}}, 500)

    assert deeper()


def test_what_the_caller_changes_later_changes_no_preview():
    value = {"a": [1]}
    text, copy = preview(value, 500), to_json_value(value)
    value["a"].append(2)
    assert (text, copy) == ('{"a": [1]}', {"a": [1]})


def test_the_callers_value_is_not_changed():
    value = {"password": "x", "a": [1, {"b": None}]}
    preview(value, 500)
    to_json_value(value)
    assert value == {"password": "x", "a": [1, {"b": None}]}


def test_what_cannot_be_read_becomes_its_class():
    view = memoryview(b"x")
    view.release()
    assert preview([view], 500) == '["<memoryview>"]'


# secrets -----------------------------------------------------------------------------------------------------------

TELLING = words(
    """
    password Password passwd user_password dbPassword DB_PASSWORD password2 new_password passphrase pwd secret
    client_secret clientSecret api_key apiKey APIKEY x-api-key X-Api-Key OPENAI_API_KEY openai_key access_key
    secret_key private_key aws_secret_access_key AccountKey SharedAccessKey encryption_key access_token
    accessToken refresh_token id_token token auth_token csrf_token bearer_token GITHUB_TOKEN Authorization
    Proxy-Authorization authorization cookie Cookie Set-Cookie cookies credentials credential auth session_token
    session_key x-agent-key x-prompt-key jwt secrets tokenSecret slackBotToken ACME_KEY access_tokens stripeKey
    api_keys accesstoken
    """
)
HARMLESS = words(
    """
    max_tokens maxTokens prompt_tokens completion_tokens total_tokens token_count tokens n_tokens
    input_token_details output_token_details token_type tokenizer token_ids eos_token pad_token stop_token
    first_token_ms author authors authority authentication key keys primary_key foreign_key public_key
    key_findings cache_key sort_key partition_key keyboard monkey password_policy password_required secret_name
    api_key_name cookie_policy page_token next_page_token session_id passed bypass compass name content id
    secretary token_usage INPUT_KEY memory_key idempotency_key max_completion_tokens cached_tokens
    """
)


@pytest.mark.parametrize("name", sorted(TELLING))
def test_a_telling_name_is_told(name):
    assert is_secret_key(name)
    assert preview({name: "v4lue"}, 500) == f'{{"{name}": "{HIDDEN}"}}'


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_a_harmless_name_is_told(name):
    assert not is_secret_key(name)


def test_a_name_of_any_length_is_read():
    assert is_secret_key("password" * 100)
    assert not is_secret_key("name" * 100)
    assert not is_secret_key("")


def test_many_names_do_not_fill_the_memory():
    for number in range(10_000):
        is_secret_key(f"name {number}")
    assert is_secret_key("password")


def test_whole_values_under_telling_keys_are_hidden():
    assert preview({"credentials": {"user": "a", "key": ["b"]}}, 500) == f'{{"credentials": "{HIDDEN}"}}'
    assert preview({"password": None, "token": True}, 500) == '{"password": null, "token": true}'


def test_headers_as_pairs_are_hidden():
    assert (
        preview([("Authorization", "Bearer x"), ("Accept", "*")], 500)
        == f'[["Authorization", "{HIDDEN}"], ["Accept", "*"]]'
    )
    assert preview([{"name": "x-api-key", "value": "x"}], 500) == f'[{{"name": "x-api-key", "value": "{HIDDEN}"}}]'
    assert preview({"name": "Anna", "value": "x"}, 500) == '{"name": "Anna", "value": "x"}'


def test_a_string_whose_class_says_secret_is_hidden():
    assert preview({"a": type("MySecret", (str,), {})("x")}, 500) == f'{{"a": "{HIDDEN}"}}'
    assert preview(pydantic.SecretStr("x"), 500) == "<SecretStr>"


# media --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (f"data:image/png;base64,{BASE64}", "<image/png, 2 KB>"),
        ("data:audio/wav;base64,AAAA", "<audio/wav, 3 bytes>"),
        ("data: the quick brown fox", "data: the quick brown fox"),
        ("data:text/plain,hello", "data:text/plain,hello"),
        (BASE64, "<image/png, 2 KB>"),
        (BASE64[24:], "<base64, 2 KB>"),
        ("UklGRiQAAABXRUJQ"[:12] + "RUJQ" + BASE64, "<image/webp, 2 KB>"),
        ("/9j/" + BASE64 * 1_000, "<image/jpeg, 1.9 MB>"),
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}}, "<image/png, 2 KB>"),
        ({"type": "image", "source": {"media_type": "image/gif", "data": "R0lGODlhAQ"}}, "<image/gif, 7 bytes>"),
        ({"type": "image", "base64": "R0lGODlhAQ", "mime_type": "image/gif"}, "<image/gif, 7 bytes>"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "<wav, 3 bytes>"),
        ({"type": "file", "data": b"12345"}, "<file, 5 bytes>"),
        ({"type": "image_url", "image_url": {"url": "https://x.y/z.png"}}, None),
        ({"type": "document", "source": {"type": "text", "data": "plain words"}}, None),
        ({"type": "text", "text": "hello"}, None),
        ({"type": ["image"], "data": "AAAA"}, None),
    ],
)
def test_media_become_type_and_size(value, text):
    assert preview(value, 500) == (text or json.dumps(value))


@pytest.mark.parametrize(
    "text", ["x" * 5_000, "0123456789" * 500, "漢字" * 2_000, "abc,def;" * 500, "a" * 64 + " " + BASE64]
)
def test_text_without_spaces_is_no_picture(text):
    assert preview(text, 500) == text[: 500 + SLACK]


# properties -----------------------------------------------------------------------------------------------------------


@given(anything, st.integers(-5, 1_000))
def test_a_preview_is_always_bounded_and_the_same(value, limit):
    text = preview(value, limit)
    assert len(text) <= max(limit, 0) + SLACK
    assert preview(value, limit) == text


@given(anything)
def test_a_preview_that_is_not_cut_is_json(value):
    text = preview([value], 100_000)
    if len(text) < 100_000:
        json.loads(text)


@given(
    st.lists(st.one_of(st.text(" ab\n", min_size=1), st.integers(), st.booleans(), st.none()), max_size=150),
    st.integers(0, 300),
)
def test_a_preview_uses_all_the_room_there_is(value, limit):
    whole = json.dumps(value, ensure_ascii=False)
    assert preview(value, limit) == whole[: limit + SLACK]


def is_plain(value):
    if type(value) is dict:
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in {str, int, bool} or (type(value) is float and math.isfinite(value))


@given(anything)
def test_a_plain_copy_holds_json_types_only(value):
    assert is_plain(to_json_value(value))
    assert to_json_value(to_json_value(value)) == to_json_value(value)


@given(anything)
def test_a_plain_copy_is_bounded(value):
    assert len(json.dumps(to_json_value([value] * 50, limit=10, room=500), ensure_ascii=False)) < 3_000


def test_a_string_that_does_not_fit_a_plain_copy_is_left_out_whole():
    assert to_json_value(["a" * 30, "b" * 30], room=50) == ["a" * 30, "…"]
    assert to_json_value("a" * 5_000, 100) == "a" * (100 + SLACK)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=20), inner, max_size=40),
)


@given(ANY_JSON)
def test_what_needs_no_bounded_copy_is_small(value):
    if is_small(value):
        assert len(json.dumps(value, ensure_ascii=False)) < 20_000


def test_what_is_deep_and_wide_is_not_small():
    assert is_small({"texts": ["x" * 200] * 30})
    assert not is_small({str(one): {str(two): ["x" * 200] * 30 for two in range(30)} for one in range(30)})
