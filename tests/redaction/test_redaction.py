"""What the redactor promises."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from secret_corpus import AFTER_A_NAME, ANYWHERE, BENIGN, BY_NAME, BY_SHAPE, left

from infinium_integrations import settings
from infinium_integrations.capture.preview import SLACK, preview
from infinium_integrations.redaction.redactor import Redactor, process_secrets

REDACTOR = Redactor()
MARK = "[REDACTED]"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----".format(
    "\n".join([BY_SHAPE["xai"][4:68]] * 6),
)


@pytest.fixture(autouse=True)
def _fresh_settings():
    settings.reset()
    yield
    settings.reset()


@pytest.mark.parametrize("context", ANYWHERE, ids=range(len(ANYWHERE)))
@pytest.mark.parametrize("kind", BY_SHAPE)
def test_a_vendors_key_vanishes_wherever_it_stands(kind, context):
    assert left(BY_SHAPE[kind], REDACTOR.text(context.format(BY_SHAPE[kind]))) == []


@pytest.mark.parametrize("context", AFTER_A_NAME)
@pytest.mark.parametrize("kind", BY_NAME)
def test_a_value_after_a_telling_name_vanishes(kind, context):
    assert left(BY_NAME[kind], REDACTOR.text(context.format(BY_NAME[kind])), least=5) == []


@pytest.mark.parametrize("text", ["secret_key=#abcdef", "client_secret=#a1b2c3;", "pw=#abcdef"])
def test_what_looks_like_a_colour_is_hidden_under_a_secrets_name(text):
    assert "#" not in REDACTOR.text(text)


@pytest.mark.parametrize("text", BENIGN)
def test_ordinary_text_stays_as_it_is(text):
    assert REDACTOR.text(text) == text


def test_the_corpus_is_as_large_as_promised():
    assert len(BY_SHAPE) >= 40
    assert len(BENIGN) >= 24


@pytest.mark.parametrize("kind", BY_SHAPE)
def test_a_second_pass_changes_nothing(kind):
    once = REDACTOR.text(f"password={BY_SHAPE[kind]} and '{BY_SHAPE[kind]}'")
    assert REDACTOR.text(once) == once


@pytest.mark.parametrize("context", AFTER_A_NAME)
def test_a_second_pass_changes_nothing_after_a_name(context):
    once = REDACTOR.text(context.format("hunter2!Zq9"))
    assert REDACTOR.text(once) == once


def test_a_url_keeps_its_user_and_host():
    assert REDACTOR.text("postgres://app:s3cr3t@db:5432/x") == f"postgres://app:{MARK}@db:5432/x"


def test_a_private_key_goes_as_a_whole_block():
    assert REDACTOR.text(f"before\n{PEM}\nafter") == f"before\n{MARK}\nafter"


def test_a_private_key_inside_a_json_string_goes():
    assert REDACTOR.text(json.dumps({"k": f"a {PEM} b"})) == json.dumps({"k": f"a {MARK} b"})


def test_a_private_key_without_its_end_goes_as_far_as_it_reaches():
    text = REDACTOR.text(PEM[:300] + "\n\nThe log goes on here, in ordinary words.")
    assert text.startswith(MARK)
    assert text.endswith("goes on here, in ordinary words.")
    assert left(PEM[40:300].replace("\n", ""), text) == []


def test_a_cut_off_key_does_not_swallow_what_stands_before_the_next():
    text = REDACTOR.text(f"{PEM[:120]}\n\nsome words here\n{PEM}")
    assert "words here" in text
    assert left(BY_SHAPE["xai"][4:], text) == []


# known values -----------------------------------------------------------------------------------------------------

KNOWN = 'Ünter"den/Linden&77 zzz'
FORMS = {
    "raw": KNOWN,
    "json": json.dumps(KNOWN)[1:-1],
    "json without escapes": json.dumps(KNOWN, ensure_ascii=False)[1:-1],
    "url": quote(KNOWN, safe=""),
    "base64": base64.b64encode(KNOWN.encode()).decode(),
    "base64 of a pair": base64.b64encode(f"user:{KNOWN}".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_known_value_vanishes_in_every_form(form):
    text = Redactor(secrets=[KNOWN]).text(f"it is {FORMS[form]} here")
    assert left(FORMS[form], text.replace("dXNlc", "\0")) == []
    assert text.startswith("it is ")
    assert text.endswith(" here")


def test_the_agents_secret_vanishes_whatever_its_length():
    settings.configure(agent_secret="abc9")
    assert Redactor(secrets=process_secrets()).text("x abc9 y") == f"x {MARK} y"


def test_the_agents_secret_from_the_environment_vanishes(monkeypatch):
    monkeypatch.setenv("INFINIUM_AGENT_SECRET", "tiny7")
    assert "tiny7" in process_secrets()


def test_broken_settings_do_not_stop_redaction(monkeypatch):
    monkeypatch.setenv("INFINIUM_AGENT_SECRET", "two\nlines")
    assert "two\nlines" in process_secrets()


@pytest.mark.parametrize("name", ["ACME_KEY", "ACME_API_TOKEN", "SECRET", "DB_PASSWORD", "acme_key"])
def test_values_of_variables_named_like_secrets_are_known(monkeypatch, name):
    monkeypatch.setenv(name, "plumber-crazy-77")
    assert "plumber-crazy-77" in process_secrets()


@pytest.mark.parametrize(
    "value",
    [
        "short-value",
        "/var/run/secrets/kubernetes.io/token",
        "~/.ssh/id_ed25519_of_mine",
        "C:\\keys\\private.pem",
        "./keys/private_key_file.pem",
        "https://vault.example.com/v1",
        "123456789012345",
        "-1234567.890123",
        "development",
        "Schwarzwälder",
    ],
)
def test_paths_urls_numbers_words_and_short_values_are_no_secrets(monkeypatch, value):
    monkeypatch.setenv("ACME_KEY", value)
    assert value not in process_secrets()


def test_a_secret_that_begins_with_a_slash_is_no_path(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_KEY", "/JalrXUtnFEMIK7MDENGbPxRfiCYzQ8kLm3NvTaB")
    assert "/JalrXUtnFEMIK7MDENGbPxRfiCYzQ8kLm3NvTaB" in process_secrets()


def test_the_environment_is_read_anew_each_time(monkeypatch):
    before = process_secrets()
    monkeypatch.setenv("LATER_TOKEN", "came-later-4711")
    assert process_secrets() - before == {"came-later-4711"}


def test_keys_of_opentelemetrys_exporters_are_secrets_of_the_process(monkeypatch):
    before = process_secrets()
    headers = "api-key=hc7Qz19vLmPk20Rt,authorization=Basic%20cGstbGYtMTpzay0yMg%3D%3D,x-tenant=the-team-of-support"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-honeycomb-team=9fQm-traces-key-1,short-key=abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://me:a-pass-471100@logs.example")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://[::1")
    assert process_secrets() - before == {
        "hc7Qz19vLmPk20Rt",
        "cGstbGYtMTpzay0yMg==",
        "9fQm-traces-key-1",
        "a-pass-471100",
        "bWU6YS1wYXNzLTQ3MTEwMA==",
    }


# the user's rule ---------------------------------------------------------------------------------------------------


def failing(text):
    raise RuntimeError(text)


@pytest.mark.parametrize("rule", [failing, lambda _: None, lambda text: text.encode(), lambda _: 1])
def test_where_the_users_rule_fails_the_text_is_dropped(rule):
    redactor = Redactor(user=rule)
    assert redactor.text("private") == ""
    assert redactor.name("private") == MARK
    assert redactor.redact_and_truncate("private " * 100, 50) == ""
    assert redactor.cut_front("private", 50) == ""


def test_the_users_rule_sees_what_the_built_in_rules_leave():
    seen = []
    Redactor(secrets=["hush-hush-77"], user=lambda text: seen.append(text) or text).text("say hush-hush-77 now")
    assert seen == [f"say {MARK} now"]


def test_the_users_rule_is_not_asked_about_machine_texts():
    assert Redactor(user=failing).builtin("gpt-4o") == "gpt-4o"


def test_a_name_of_blanks_becomes_the_mark():
    assert Redactor(user=lambda _: "  ").name("x") == MARK


def test_keyboard_interrupt_in_the_users_rule_passes_through():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redactor(user=interrupted).text("x")


# the cut -----------------------------------------------------------------------------------------------------------


def test_text_is_cut_at_exactly_the_limit_with_its_mark():
    cut = REDACTOR.redact_and_truncate("word " * 200, 500)
    assert len(cut) == 500
    assert cut == ("word " * 200)[:499] + "…"


def test_text_within_the_limit_is_not_cut():
    assert REDACTOR.redact_and_truncate("word " * 100, 500) == "word " * 100


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_tiny_limits_hold(limit):
    assert len(REDACTOR.redact_and_truncate("word " * 200, limit)) == limit
    assert len(REDACTOR.cut_front("word " * 200, limit)) == limit


@pytest.mark.parametrize("length", [501, 502, 510, 700])
def test_text_just_over_the_limit_is_cut_at_exactly_the_limit(length):
    assert len(REDACTOR.redact_and_truncate(("lorem ipsum dolor sit amet " * 50)[:length], 500)) == 500


@pytest.mark.parametrize("kind", BY_SHAPE)
def test_a_secret_across_the_cut_is_dropped(kind):
    secret = BY_SHAPE[kind]
    for shift in range(0, len(secret) + 2, 3):
        text = "word " * 100
        text = text[: 500 - shift] + " " + secret + " more words" * 100
        cut = REDACTOR.redact_and_truncate(preview(text, 500), 500)
        assert left(secret, cut) == []
        assert len(cut) <= 500


@pytest.mark.parametrize("kind", BY_SHAPE)
def test_a_secret_across_the_end_of_the_slack_is_dropped(kind):
    """What stands before it shrinks when redacted, so that the slack moves into view."""
    secret = BY_SHAPE[kind]
    padding = f" password='{'x1y2' * 125}' "
    for shift in range(3, len(secret), 3):
        text = (padding + "word " * 200)[: 500 + SLACK - shift - 1] + " " + secret
        cut = REDACTOR.redact_and_truncate(preview(text, 500), 500)
        assert left(secret, cut) == []
        assert cut.endswith("…")


@pytest.mark.parametrize("context", [context for context in AFTER_A_NAME if " is " not in context])
@pytest.mark.parametrize("kind", BY_NAME)
def test_a_named_value_across_the_end_of_the_slack_is_dropped(kind, context):
    secret = BY_NAME[kind]
    padding = f" password='{'x1y2' * 125}' "
    start = context.replace("{{", "{").replace("}}", "}").partition("{}")[0]
    for shift in range(5, len(secret), 3):
        text = (padding + "word " * 200)[: 500 + SLACK - shift - len(start) - 1] + " " + context.format(secret)
        assert left(secret, REDACTOR.redact_and_truncate(preview(text, 500), 500), least=5) == []


def test_the_beginning_of_a_known_value_at_the_end_is_dropped():
    redactor = Redactor(secrets=["plumber-crazy-77"])
    padding = f" password='{'x1y2' * 125}' "
    for shift in range(1, 16):
        text = (padding + "word " * 200)[: 500 + SLACK - shift] + "plumber-crazy-77"
        assert "plum"[: min(4, shift)] not in redactor.redact_and_truncate(preview(text, 500), 500)[-8:]


def test_a_private_key_that_reaches_the_end_is_dropped():
    text = "words " * 20 + PEM
    assert REDACTOR.redact_and_truncate(preview(text, 200), 200) == "words " * 20 + "…"


def test_the_end_of_a_stack_is_kept():
    stack = "".join(f"  File 'a.py', line {line}\n" for line in range(500)) + "ValueError: the end"
    cut = REDACTOR.cut_front(stack, 1_000)
    assert len(cut) == 1_000
    assert cut.startswith("…")
    assert cut.endswith("ValueError: the end")


def test_a_secret_across_the_front_cut_is_dropped():
    secret = BY_SHAPE["github"]
    for shift in range(1, len(secret), 3):
        tail = "word " * 200
        cut = REDACTOR.cut_front("a" * 900 + " " + secret + tail[: 1_000 - shift], 1_000)
        assert left(secret, cut) == []


def test_a_stack_that_was_cut_before_loses_its_broken_first_line():
    secret = BY_SHAPE["github"]
    stack = secret[6:] + "\n" + f"password='{'x1y2' * 200}'\n" + "word " * 100
    cut = REDACTOR.cut_front(stack, 1_000)
    assert left(secret, cut) == []
    assert cut.startswith("…password=")


# properties --------------------------------------------------------------------------------------------------------

words = st.lists(st.text("abcdefgh ,.\n'\"\\:=()[]{}é漢-_/", max_size=12), max_size=60).map(" ".join)


@given(before=words, after=words, kind=st.sampled_from(sorted(BY_SHAPE)), limit=st.integers(1, 900))
def test_a_planted_secret_survives_nowhere_at_no_limit(before, after, kind, limit):
    secret = BY_SHAPE[kind]
    text = f"{before} {secret} {after}"
    assert left(secret, REDACTOR.text(text)) == []
    assert left(secret, REDACTOR.redact_and_truncate(preview(text, limit), limit)) == []


@given(
    before=words,
    after=words,
    limit=st.integers(1, 500),
    known=st.text(st.characters(codec="utf-8"), min_size=12, max_size=40),
)
def test_a_known_value_survives_nowhere_at_no_limit(before, after, limit, known):
    assume(known.strip() and known not in before + after)
    assume(all(known[:6] not in other for other in (before, after, MARK)))
    redactor = Redactor(secrets=[known])
    text = f"{before}{known}{after}"
    assert known not in redactor.text(text)
    assert known[:6] not in redactor.redact_and_truncate(preview(text, limit), limit)


@given(st.one_of(words, st.text()), st.integers(0, 300))
def test_a_cut_is_never_longer_than_its_limit(text, limit):
    assert len(REDACTOR.redact_and_truncate(text, limit)) <= limit
    assert len(REDACTOR.cut_front(text, limit)) <= limit


fragments = st.sampled_from([*AFTER_A_NAME, *ANYWHERE[:-1], "{} ", "{}\n", "'{}'", '"{}"', "\\", "://", "@", ";", "&"])
values = st.sampled_from([*BY_NAME.values(), *BY_SHAPE.values(), MARK, "none", "x1", "Bearer x", ""])


@given(st.lists(st.tuples(fragments, values), max_size=8), st.sampled_from([" ", "\n", ", ", "; "]))
def test_redacting_twice_is_redacting_once(pieces, between):
    once = REDACTOR.text(between.join(fragment.replace("{}", value) for fragment, value in pieces))
    assert REDACTOR.text(once) == once


@given(st.lists(st.sampled_from(BENIGN), max_size=6), st.sampled_from(["\n", " ", "\n\n"]))
def test_ordinary_texts_together_stay_as_they_are(texts, between):
    text = between.join(texts)
    assume(between != " " or ":" not in text)
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://aB3dE5gH7jK9mN1pQ4sT6vW8xZ0@github.com/o", f"https://{MARK}@github.com/o"),
        ("https://ada@github.com/o", "https://ada@github.com/o"),
        ("curl -u admin:OWKaVR1yTfUKO4 https://x", f"curl -u admin:{MARK} https://x"),
        ("docker run --user 1000:1000 img", "docker run --user 1000:1000 img"),
        ("my password is aQNXbAUHyJPU!", f"my password is {MARK}"),
        ("my password is wrong!", "my password is wrong!"),
    ],
)
def test_what_only_looks_like_a_secret_stays_and_what_is_one_goes(text, expected):
    assert REDACTOR.text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'password: "$hunter"',
        "password: $Tr0ngOne",
        "curl -u ada:$hunter https://x",
        "password=mypassword",
        "DB_PASSWORD=my_old_password",
        "export DB_PASSWORD=example_pw",
        "the password is example_pw",
        "password: mypassword\n",
        "password = rome.dragon\n",
        '{"otp": "ab"}',
        '{"cvv": "abc"}',
        "otp=princess",
        "OPENAI_API_KEY=y^K3",
        '{"pin": "abcd"}',
    ],
)
def test_what_was_hidden_under_a_secrets_name_is_hidden_still(text):
    assert MARK in REDACTOR.text(text)


@pytest.mark.parametrize(
    "text",
    [
        'mysql -p "$DB_PASSWORD"',
        'password="$db_password"',
        "password: ${pw}",
        "connect(password=db_password, port=1)",
        "password = new_password",
        "passwd = form.password",
        "password: SecretStr",
        '{"otp": "required"}',
        '{"pin": "string"}',
        "Pass `--no-allow-scripts-pin` to it",
    ],
)
def test_variables_and_words_of_schemas_stay_under_a_passwords_name(text):
    assert REDACTOR.text(text) == text


def test_a_cut_never_falls_inside_a_mark():
    for limit in range(20, 60):
        once = REDACTOR.redact_and_truncate("words before it password=hunter2!Zq9 and words after it" * 3, limit)
        assert len(once) <= limit
        assert len(REDACTOR.text(once)) <= limit


HOSTILE = (
    *(
        "eyJ",
        "eyJhbGciOiJIUzI1NiJ9.",
        "sk-a-",
        "password=",
        "password='\\'",
        "://a:b@",
        "-----BEGIN RSA PRIVATE KEY-----\n",
    ),
    *(
        "Authorization: Basic ",
        'token\\\\"',
        "SG.aaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        "cookie: a=",
        "api key: ",
        "Authorization: is ",
    ),
)


@pytest.mark.timeout(30)
def test_hostile_texts_cost_no_more_than_in_proportion():
    """A rule that is quadratic takes minutes here."""
    for piece in HOSTILE:
        text = piece * (200_000 // len(piece))
        REDACTOR.text(text)
        REDACTOR.redact_and_truncate(text, len(text) - 1)


def test_letters_that_grow_when_lowered_do_not_shift_what_is_hidden():
    assert REDACTOR.text("İİİ password=hunter2!Zq9 ok") == f"İİİ password={MARK} ok"


def test_a_uuid_that_is_known_as_a_secret_is_hidden_and_any_other_is_not():
    secret, other = "0d9f2a64-5b1c-4f0e-9a3e-6f7b8c9d0e1f", "1d9f2a64-5b1c-4f0e-9a3e-6f7b8c9d0e1f"
    redactor = Redactor(secrets=[secret])
    assert (redactor.text(secret), redactor.text(other)) == ("[REDACTED]", other)


def test_a_long_text_that_is_known_to_be_clean_is_cut_all_the_same():
    from infinium_integrations.payload.finalize import finalize

    redactor, text = Redactor(), "plain words " * 95
    assert redactor.text(text) == text
    step = {"step_number": 1, "action": "other", "description": "d", "metadata": {"mine": {"said": text}}}
    assert text not in str(
        finalize({"name": "n", "description": "d", "duration": 1, "steps": [step]}, redactor, cut=True)
    )


def test_clean_texts_are_forgotten_before_they_fill_the_memory():
    redactor = Redactor()
    for number in range(1_000):
        redactor.text(f"{number} " * 800)
    assert sum(map(len, redactor.clean)) <= 1_000_000
