import pytest

from infinium_integrations.viewer import formatting


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
        (float("inf"), "\N{EN DASH}"),
        (0, "0 ms"),
        (0.4, "<1 ms"),
        (999.4, "999 ms"),
        (1_000, "1.00 s"),
        (11_460, "11.5 s"),
        (59_949, "59.9 s"),
        (59_960, "1 min 00 s"),
        (125_000, "2 min 05 s"),
        (3_720_000, "1 h 02 min"),
    ],
)
def test_times_are_written_as_people_say_them(milliseconds, text):
    assert formatting.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(None, "\N{EN DASH}"), (0.0, "$0.00"), (0.00001, "<$0.0001"), (0.0323, "$0.0323"), (1_234.5, "$1,234.50")],
)
def test_costs_have_the_places_they_need(dollars, text):
    assert formatting.cost(dollars) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0"), (500, "500 ms"), (2_000, "2 s"), (900_000, "15 min"), (7_200_000, "2 h")]
)
def test_scales_have_round_times(milliseconds, text):
    assert formatting.tick(milliseconds) == text


def test_moments_are_written_in_utc_and_what_is_none_stands_as_it_is():
    assert formatting.moment("2026-11-20T11:30:00+02:00") == "2026-11-20 09:30:00 UTC"
    assert formatting.moment("yesterday") == "yesterday"


def test_what_a_reader_would_not_see_is_made_visible():
    assert formatting.clean("a\0b\x1b[31m\x7f\x85\ud800\u202eexe") == "a␀b␛[31m␡\ufffd\ufffd⟨U+202E⟩exe"
    assert formatting.clean("tab\tline\n\u05e9\u05dc \u2066x\u2069") == "tab\tline\n\u05e9\u05dc \u2066x\u2069"


@pytest.mark.parametrize("value", [None, True, "1", [], float("nan"), float("inf"), 10**400])
def test_what_is_no_finite_number_is_none(value):
    assert formatting.number(value) is None


def test_a_very_long_text_is_cut_and_says_so():
    assert formatting.clipped("x" * 100, 10).endswith("… 90 more characters (the JSON has them all)")
    assert formatting.clipped_line("  one\ntwo", 9) == "one"
    assert formatting.clipped_line("abcdef", 4) == "abc…"


def test_values_that_are_no_json_are_still_written():
    circle: list[object] = []
    circle.append(circle)
    assert formatting.pretty(circle) == "[[...]]"
    assert formatting.pretty({"a": object}).startswith("{")


@pytest.mark.parametrize(("number", "text"), [(0, "0 steps"), (1, "1 step"), (1_000, "1,000 steps")])
def test_one_is_no_plural(number, text):
    assert formatting.counted(number, "step") == text


@pytest.mark.parametrize(
    ("number", "of", "text"),
    [(0, 1, "0 of 1 step differs"), (1, 1, "1 of 1 step differs"), (1, 3, "1 of 3 steps differ")],
)
def test_what_differs_is_a_sentence(number, of, text):
    assert formatting.differing(number, of, "step") == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("a\n\n b ", "a b"),
        ("a\nb\nc d", "a b c…"),
        (" " * 40 + "a", "…"),
        ("abcdef", "abcdef"),
        ("abcdefg", "abcde…"),
    ],
)
def test_a_text_of_several_lines_stands_on_one(text, line):
    assert formatting.one_line(text, 6) == line
