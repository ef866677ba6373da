"""Options, settings and frameworks that are misspelt: the error says what was meant."""

import pytest

import infinium_integrations as infinium
from infinium_integrations.errors import ConfigurationError, ValidationError
from infinium_integrations.recording.options import HandlerOptions, make_options


@pytest.mark.parametrize(
    ("call", "error", "texts"),
    [
        (lambda: make_options(nmae="x"), ConfigurationError, ["no option is named nmae", "did you mean 'name'?"]),
        (lambda: make_options(zzz=1), ConfigurationError, ["no option is named zzz; the options are: ", "redact"]),
        (lambda: infinium.trace("x", tgas=["a"]), ConfigurationError, ["did you mean 'tags'?"]),
        (lambda: infinium.configure(gace=1), ConfigurationError, ["no setting 'gace'; did you mean 'grace'?"]),
        (lambda: infinium.instrument("langchian"), ConfigurationError, ["did you mean 'langchain'?"]),
        (lambda: infinium.uninstrument("llamaindex"), ConfigurationError, ["did you mean 'llama_index'?"]),
        (
            lambda: infinium.TraceBuilder("x").set_section("reserch"),
            ValidationError,
            ["'reserch' is not a section; did you mean 'research'? the sections are: "],
        ),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest_known_one(call, error, texts):
    with pytest.raises(error) as raised:
        call()
    assert all(text in str(raised.value) for text in texts)


def test_every_typed_option_is_taken_and_changes_what_is_recorded():
    options: HandlerOptions = {
        "name": "n",
        "description": "d",
        "expected_outcome": "do it",
        "sections": {},
        "tags": "one",
        "metadata": {"a": 1},
        "capture_content": False,
        "detail": "full",
        "redact": str.upper,
        "client": None,
        "preview_chars": 9,
    }
    assert options.keys() == HandlerOptions.__annotations__.keys()
    made = make_options(**options)
    assert (made.name, made.tags, made.full, made.preview_chars) == ("n", ("one",), True, 9)
    assert made.capture_content is False
