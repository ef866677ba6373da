"""The language in which runs are looked for: what it reads, and what it says of what it can't read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infinium_integrations.errors import ConfigurationError
from infinium_integrations.storage.index.language import FIELDS, QueryError, Term, check_status, parse

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def fields(query):
    return [(term.field, term.value) for term in parse(query, NOW)]


def wrong(query):
    with pytest.raises(QueryError) as caught:
        parse(query)
    error = caught.value
    return str(error), error.query[error.start : error.end]


def test_words_and_fields_stand_apart_by_spaces():
    assert fields("  refund\ttool:refund_order  status:error\n") == [
        ("", "refund"),
        ("tool", "refund_order"),
        ("status", "error"),
    ]
    assert parse("") == parse(" \n ") == ()


def test_each_example_that_is_told_can_be_read():
    for name, field in FIELDS.items():
        assert [term.field for term in parse(field.example)] == [name]


def test_quotes_make_anything_text():
    assert parse('"tool:x -y  z"') == (Term("", "tool:x -y  z", exact=True),)
    assert parse('tool:"a b" c') == (Term("tool", "a b", exact=True), Term("", "c"))
    assert fields('"he said ""no"""') == [("", 'he said "no"')]
    assert fields("“from a phone” „und so“") == [("", "from a phone"), ("", "und so")]
    assert fields("it's 5\" wide") == [("", "it's"), ("", '5"'), ("", "wide")]


def test_of_a_tag_the_value_alone_may_be_in_quotes():
    assert parse('-tag:team="Two departments" x') == (
        Term("tag", "team=Two departments", exact=True, negated=True),
        Term("", "x"),
    )
    assert (
        parse('tag:"team=Two departments"')
        == parse("tag:team=“Two departments”")
        == parse('tags=team="Two departments"')
    )
    assert fields('tag:a="say ""no""" tag:b="x=*" tag:c=""') == [("tag", 'a=say "no"'), ("tag", "b=x=*"), ("tag", "c=")]
    assert fields('tag:"a="b') == [("tag", "a="), ("", "b")]
    assert fields('tag:size=5" wide') == [("tag", 'size=5"'), ("", "wide")]


def test_a_hyphen_in_front_negates_and_elsewhere_is_text():
    assert [(term.value, term.negated) for term in parse('-a -tool:b -"c d" e-f -> --flag -')] == [
        *(("a", True), ("b", True), ("c d", True)),
        *(("e-f", False), ("->", False), ("--flag", False), ("-", False)),
    ]


@pytest.mark.parametrize(
    "text", ["https://a.b/c", "std::vector", "12:30", "a=b", "{x:y}", "日本:語", "<b>", "%", ":", ">5"]
)
def test_what_only_looks_like_a_field_is_text(text):
    assert fields(text) == [("", text)]


def test_numbers_are_compared_and_have_units():
    assert [(t.field, t.operator, t.value) for t in parse("tokens>5000 tokens<=5k steps:3 errors:>=2 cost=$0.01")] == [
        *(("tokens", ">", 5_000), ("tokens", "<=", 5_000), ("steps", "=", 3), ("errors", ">=", 2), ("cost", "=", 0.01)),
    ]
    units = "duration>250ms duration>10s duration>1.5m duration>2h duration>7 duration>1_000"
    assert [value for _, value in fields(units)] == [0.25, 10, 90, 7_200, 7, 1_000]


def test_times_are_spans_before_now_or_dates_in_utc():
    def moment(when):
        return int(when.timestamp()) * 10**9

    assert fields("since:2d before:30m since:1w") == [
        ("since", moment(NOW - timedelta(days=2))),
        ("before", moment(NOW - timedelta(minutes=30))),
        ("since", moment(NOW - timedelta(weeks=1))),
    ]
    assert (
        fields("before:2026-11-01 until:2026-11-01T02:00+02:00")
        == [("before", moment(datetime(2026, 11, 1, tzinfo=UTC)))] * 2
    )


def test_names_of_fields_are_read_in_any_case_and_as_the_metadata_has_them():
    assert fields("Tool:x USER_ID:u session_id:s tags:t trace_id:4f") == [
        *(("tool", "x"), ("user", "u"), ("session", "s"), ("tag", "t"), ("id", "4f"))
    ]


def test_an_unknown_field_is_named_with_its_place_the_one_meant_and_those_there_are():
    said, part = wrong("refund tol:x status:error")
    assert "'tol'; did you mean 'tool'?" in said
    assert "at character 8 of the query" in said
    assert all(name in said for name in FIELDS)
    assert part == "tol:"


@pytest.mark.parametrize(
    ("query", "part", "said"),
    [
        ('a "b c', '"b c', "the quotation has no end"),
        ('a tag:team="b c', '"b c', "the quotation has no end"),
        ("a tool: b", "tool:", "needs a value, such as tool:refund_order"),
        ('a ""', '""', "nothing between the quotes"),
        ("a tokens>many", "many", "such as tokens>5000"),
        ("a cost>5ms", "5ms", "such as cost>0.01"),
        ("a tool>5", "tool>", "write tool:refund_order"),
        ("a since:soon", "soon", "a date such as 2026-11-01"),
        ("a since:999999w", "999999w", "a span such as 30m"),
        ("a status:failed", "failed", "did you mean 'error'?"),
        ("a status:eror", "eror", "did you mean 'error'?"),
        ("x " * 101, "x", "more than 100 things"),
        ("x" * 10_001, "x", "more than 10,000 characters"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place(query, part, said):
    told, meant = wrong(query)
    assert said in told
    assert meant == part


def test_a_status_in_quotes_may_be_one_of_the_users_own():
    assert fields('status:"half done"') == [("status", "half done")]
    check_status("rejected")
    with pytest.raises(ConfigurationError, match="these are: abandoned"):
        check_status("odd")


PIECES = st.sampled_from(
    [*FIELDS, ":", "=", '"', "“", "-", ">", "<=", " ", "tol:", "5k", "2d", "error", "日本", "\0", "\ud800"]
)
QUERIES = st.one_of(st.text(), st.lists(PIECES).map("".join))


@given(QUERIES)
@example('-"')
@example('tool:"')
@example('tag:a="')
@example("since:0001-01-01 before:9999-12-31")
@example("-tokens>")
def test_whatever_is_asked_is_read_or_refused_with_a_place_in_it(query):
    try:
        terms = parse(query)
    except QueryError as caught:
        error = caught
    else:
        assert all(term.field in {"", *FIELDS} for term in terms)
        return
    assert 0 <= error.start <= error.end <= len(query)
    assert error.query is query
    assert str(error)


@given(st.text().filter(lambda text: text.replace("\0", " ").strip()))
def test_any_text_can_be_asked_for_in_quotes(text):
    quoted = '"' + text.replace('"', '""') + '"'
    assert parse(quoted) == (Term("", text.replace("\0", " "), exact=True),)
