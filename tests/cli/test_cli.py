"""The console script, over a real store and a real server."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from children import PATIENCE, child, line
from click.testing import CliRunner
from faultserver import FaultServer, Hang, Reply
from open_traces import recording

from infinium_integrations import TaskData, experiment, flush, runtime, settings
from infinium_integrations.cli.demo.script import Narrator
from infinium_integrations.cli.main import main
from infinium_integrations.errors import ServerError
from infinium_integrations.payload.finalize import build_payload, encode
from infinium_integrations.storage import record as records
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector, account_of

AGENT = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
SECRET = "zq9-the-agents-own-secret-77x"


@pytest.fixture(autouse=True)
def store(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Path(os.environ["INFINIUM_STORE"])


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("INFINIUM_AGENT_ID", AGENT)
    monkeypatch.setenv("INFINIUM_AGENT_SECRET", SECRET)

    def use(url):
        monkeypatch.setenv("INFINIUM_BASE_URL", url)
        settings.reset()
        runtime.install(None)

    use("http://127.0.0.1:9/api/v1")
    return use


def run(*arguments, code=0, color=False):
    done = CliRunner().invoke(main, arguments, color=color)
    assert done.exit_code == code, done.output
    assert SECRET not in done.output
    return done.output


def keep(name="Report", number=1, steps=2, captured=None, **fields):
    """Put a finished trace into the store, as the writer does."""
    given = settings.current()
    trace_id = f"{number:08x}-0000-4000-8000-000000000000"
    whose = {f"{key}_id": fields.pop(key) for key in ("session", "user") if key in fields}
    task = TaskData(
        name=name,
        description=name,
        duration=1.5,
        current_datetime=fields.pop("ended", "2026-11-20T09:30:00Z"),
        steps=[
            {"step_number": n, "action": "tool_use", "description": f"tool {n}", "duration_ms": 500}
            for n in range(1, steps + 1)
        ],
        environment={"custom_tags": {**whose, "trace_id": trace_id, "status": fields.pop("status", "ok")}},
        **fields,
    )
    account = account_of(given) if given.has_account else None
    wire, now = build_payload(task), time.time_ns()
    delivery = {"status": "pending" if account else "local"}
    record = records.new_record(trace_id, wire, encode(wire), now, delivery, captured=captured)
    StoreSelector(DeliveryCounters()).put(given, f"{now:020d}-{trace_id}", records.pack(record), account)
    return trace_id


class TestList:
    def test_an_empty_store_says_what_to_do(self, store):
        assert run("list") == f"No traces yet in {store}. To make one: infinium-traces demo\n"

    def test_it_is_a_table_the_latest_first(self):
        keep("First", 1)
        keep("Second", 2, status="error")
        lines = run("list").splitlines()
        assert lines[0].split() == ["id", "ended", "(UTC)", "name", "duration", "tokens", "delivery"]
        assert lines[1].split() == ["00000002", "11-20", "09:30", "Second", "✕", "1.50", "s", "local"]
        assert lines[2].split() == ["00000001", "11-20", "09:30", "First", "✓", "1.50", "s", "local"]

    def test_it_is_narrowed_by_status_name_time_and_number(self):
        keep("First", 1)
        keep("Second", 2, status="error")
        assert "First" not in run("list", "--status", "error")
        assert "Second" not in run("list", "--name", "FIR")
        assert "First" not in run("list", "-n", "1")
        assert "First" in run("list", "--since", "2026-11-20")
        assert run("list", "--since", "2m") == "No trace is like that.\n"
        assert run("list", "--since", "2099-01-01") == "No trace is like that.\n"

    def test_a_query_finds_runs_and_joins_with_the_options(self):
        keep("First", 1, user="u-1")
        keep("Second", 2, status="error", steps=3)
        for query in ["sec", "steps>=3", "step:'tool 3'".replace("'", '"'), "-user:u-1", "status:error"]:
            assert "Second" in (found := run("list", query)), query
            assert "First" not in found, query
        assert "First" in run("list", "tool", "-name:second")
        assert run("list", "steps:2", "--status", "error") == "No trace is like that.\n"
        assert [line.split()[3] for line in run("list", "--sort", "steps").splitlines()[1:]] == ["First", "Second"]
        assert json.loads(run("list", "first", "--json"))["name"] == "First"

    def test_a_malformed_query_is_told_with_a_caret_under_its_place_and_exit_code_2(self):
        told = run("list", "返金 tol:x status:error", code=2)
        assert "there is no field 'tol'; did you mean 'tool'?" in told
        assert "the fields are tool, model, error" in told
        assert told.endswith("\n  返金 tol:x status:error\n       ^^^^\n")
        assert "the quotation has no end" in (odd := run("list", 'a\n\x1b[31m "b', code=2))
        assert "\x1b" not in odd
        long = run("list", f"{'a' * 600} tol:x {'b' * 600}", code=2).splitlines()
        assert long[-2][long[-1].index("^") :].startswith("tol:x")
        assert max(map(len, long[-2:])) < 160

    def test_a_status_or_an_order_that_is_none_is_told_with_those_there_are(self):
        assert "did you mean 'error'?" in run("list", "--status", "failed", code=2)
        assert "these are: cost, duration" in run("list", "--sort", "size", code=2)

    def test_the_help_shows_queries(self):
        assert "\n    infinium-traces list 'tool:refund_order status:error'\n" in run("list", "--help")

    def test_a_time_that_is_none_is_explained(self):
        assert "30m, 12h or 7d" in run("list", "--since", "yesterday", code=2)

    def test_as_json_each_line_is_an_object(self):
        keep("First", 1)
        facts = json.loads(run("list", "--json"))
        assert (facts["name"], facts["status"], facts["delivery"]) == ("First", "ok", "local")

    @pytest.mark.parametrize("store", ["memory", "off"])
    def test_a_store_without_a_folder_is_explained(self, monkeypatch, store):
        monkeypatch.setenv("INFINIUM_STORE", store)
        settings.reset()
        assert run("list") == f"INFINIUM_STORE is {store}: traces are only in the process that made them.\n"

    def test_a_malformed_setting_is_one_line(self, monkeypatch):
        monkeypatch.setenv("INFINIUM_GRACE", "soon")
        settings.reset()
        assert run("list", code=1).startswith("Error: INFINIUM_GRACE: ")


class TestShow:
    def test_a_trace_is_found_by_the_beginning_of_its_id(self):
        keep("First", 0xA1)
        keep("Second", 0xB2)
        assert "First" in run("show", "000000a")

    def test_full_is_what_the_model_saw_and_said_and_steers_no_terminal(self):
        said = "Be brief.\n\tNever say \x1b[31mred."
        messages = [
            {"role": "system", "parts": [{"type": "text", "content": said}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}}]},
        ]
        steps = {
            "1": {"input_messages": [0], "output_messages": [1]},
            "2": {"input": {"$is": "/messages/0:2"}, "result": {"$is": "/messages/0/parts/0/content"}},
        }
        keep(captured={"messages": messages, "tool_definitions": [], "steps": steps})
        shown = run("show", "--full")
        assert '── system\nBe brief.\n\tNever say ␛[31mred.\n── assistant\n→ f({"a": 1})' in shown
        assert "\x1b" not in shown
        found = json.loads(run("show", "--full", "--json"))
        assert found["payload"]["name"] == "Report"
        assert found["captured"]["messages"] == messages
        assert found["captured"]["steps"]["1"] == {"input_messages": [0], "output_messages": [1]}
        assert found["captured"]["steps"]["2"] == {"input": {"$is": "/messages/0:2"}, "result": said}

    def test_without_content_full_says_so(self):
        keep()
        assert "No content was kept beside this trace" in run("show", "--full")

    def test_a_content_that_cannot_be_read_leaves_the_trace(self, caplog):
        keep(captured={"messages": [], "steps": {"1": {"result": {"$is": "/no/such"}}}})
        assert "Report" in run("show")
        assert "content of a stored trace" in caplog.text

    def test_without_an_id_it_is_the_latest(self):
        keep("First", 1)
        keep("Second", 2)
        assert "Second" in run("show")

    def test_a_beginning_that_several_have_is_an_error(self):
        keep("First", 1)
        keep("Second", 2)
        assert "several traces begin with '0000'" in run("show", "0000", code=1)

    def test_an_unknown_id_is_an_error(self):
        assert "there is no trace 'ff': infinium-traces list shows which there are" in run("show", "ff", code=1)

    def test_an_empty_store_is_an_error(self):
        assert "No traces yet" in run("show", code=1)

    def test_as_json_it_is_what_is_sent(self):
        keep("Naïve \x9b \u202e", 1)
        text = run("show", "--json")
        assert json.loads(text)["name"] == "Naïve \x9b \u202e"
        assert "Naïve \\u009b \\u202e" in text

    def test_many_steps_are_folded_until_all_are_asked_for(self):
        keep("Long", 1, steps=500)
        assert "show 00000001 --all" in run("show")
        assert len(run("show", "--all").splitlines()) > 500

    def test_colours_are_for_terminals_only(self, monkeypatch):
        keep("First", 1, status="error")
        assert "\x1b[" not in run("show")
        assert "\x1b[31m" in run("show", color=True)
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b[" not in run("show", color=True)

    @pytest.mark.parametrize("columns", ["60", "120"])
    def test_it_fits_the_terminal(self, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", columns)
        keep("First", 1)
        lengths = [len(line) for line in run("show").splitlines()]
        assert max(lengths) <= int(columns)
        assert max(lengths) > int(columns) - 30


class TestSend:
    def test_without_an_account_it_says_what_to_set(self):
        assert "set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET" in run("send", code=1)

    def test_nothing_to_send_is_fine(self, account):
        assert run("send") == "Nothing waits to be sent.\n"

    def test_what_waits_is_sent(self, account):
        with FaultServer() as server:
            account(server.url)
            sent = {keep(number=n) for n in range(3)}
            assert run("send") == "3 sent.\n"
        assert set(server.accepted) == sent
        assert "sent" in run("list")

    def test_what_was_refused_is_tried_again(self, account):
        with FaultServer([Reply(422, {"error": "bad name"})]) as server:
            account(server.url)
            keep()
            assert run("send", code=1).startswith("0 sent, 1 refused.\n")
            assert "bad name" in run("show")
            assert run("send") == "1 sent.\n"

    def test_one_that_was_refused_is_named_by_its_id(self, account):
        with FaultServer([Reply(422), Reply(422)]) as server:
            account(server.url)
            keep(number=1)
            keep(number=2)
            run("send", code=1)
            runtime.install(None)
            run("send", "00000002")
            assert list(server.accepted) == ["00000002-0000-4000-8000-000000000000"]
            assert "there is no trace 'ff'" in run("send", "ff", code=1)

    def test_a_long_send_shows_in_a_terminal_how_far_it_is(self, account):
        with FaultServer([Hang()]) as server:
            account(server.url)
            keep()
            master, slave = os.openpty()
            command = [sys.executable, "-m", "infinium_integrations", "send"]
            with child(command, stdout=slave) as process:
                os.close(slave)
                assert os.read(master, 200).startswith(b"\r")
                server.release.set()
                output = _rest(master)
                process.wait(PATIENCE)
        assert process.returncode == 0
        assert "1/1" in output
        assert output.rstrip().endswith("1 sent.")

    def test_a_server_that_is_away_leaves_them_waiting(self, account):
        keep()
        output = run("send", "--timeout", "0.2", code=1)
        assert "0 sent, 1 still waiting." in output
        assert "infinium-traces doctor" in output


def _rest(master):
    parts = []
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(master, 4096):
            parts.append(part)
    os.close(master)
    return b"".join(parts).decode()


class TestDoctor:
    def test_without_an_account_all_is_well_and_it_says_how_long_traces_stay_first(self):
        keep()
        output = run("doctor")
        assert "whole conversations are kept here" in output.splitlines()[1]
        assert "delivered traces stay 7 days" in output.splitlines()[2]
        assert "1 trace in its history" in output
        assert "no account: traces stay on this machine" in output
        assert output.endswith("All is well.\n")

    def test_versions_and_the_variables_that_are_set_are_shown(self, store):
        output = run("doctor")
        assert "infinium-integrations 0.1.0, Python 3." in output
        assert f"INFINIUM_STORE = {store}" in output

    def test_a_platform_that_accepts_the_credentials_is_good(self, account):
        with FaultServer(then=Reply(404, {"error": "no such trace"})) as server:
            account(server.url)
            assert "accepts the credentials" in run("doctor")
        assert server.requests[0].method == "GET"
        assert f"/agents/{AGENT}/interpreted-result/" in server.requests[0].path

    @pytest.mark.parametrize(
        ("reply", "says"),
        [
            (Reply(401, {"error": f"bad key {SECRET}"}), "copy the agent's id and secret again"),
            (Reply(403), "ask for the agent's permissions"),
            (Reply(500), "try again later"),
            (Reply(200, "<html>log in"), "login page"),
            (Reply(302, headers={"Location": "https://elsewhere.example/x"}), "a redirect to elsewhere.example"),
        ],
    )
    def test_a_platform_that_does_not_is_bad_and_it_says_what_to_do(self, account, reply, says):
        with FaultServer(then=reply) as server:
            account(server.url)
            output = run("doctor", code=1)
        assert says in output
        assert "INFINIUM_AGENT_SECRET = set (not shown)" in output
        assert len(server.requests) == 1

    def test_a_platform_that_knows_even_that_trace_is_good(self, account):
        with FaultServer(then=Reply(200, {"interpretedTraceResult": {}})) as server:
            account(server.url)
            assert "accepts the credentials" in run("doctor")

    def test_something_else_behind_the_address_is_a_warning(self, account):
        with FaultServer(then=Reply(404, "<html>", content_type="text/html")) as server:
            account(server.url)
            assert "not as the platform does" in run("doctor")

    def test_a_platform_that_is_away_is_bad(self, account):
        assert "check INFINIUM_BASE_URL, the network, and HTTPS_PROXY" in run("doctor", code=1)

    def test_half_an_account_is_bad(self, monkeypatch):
        monkeypatch.setenv("INFINIUM_AGENT_ID", AGENT)
        settings.reset()
        assert "INFINIUM_AGENT_SECRET is missing" in run("doctor", code=1)

    def test_a_malformed_setting_is_bad_and_the_rest_is_still_checked(self, monkeypatch):
        monkeypatch.setenv("INFINIUM_AGENT_SECRET", f"{SECRET}\n")
        monkeypatch.setenv("INFINIUM_GRACE", "soon")
        settings.reset()
        output = run("doctor", code=1)
        assert "INFINIUM_AGENT_SECRET: must be printable" in output
        assert "INFINIUM_GRACE: " in output
        assert "langchain-core" in output
        assert "2 things to put right" in output

    def test_that_no_variable_is_set_is_said(self, monkeypatch):
        monkeypatch.delenv("INFINIUM_STORE")  # the default is below XDG_DATA_HOME
        settings.reset()
        assert "no INFINIUM_ variable is set" in run("doctor")

    def test_a_misspelt_variable_is_pointed_out(self, monkeypatch):
        monkeypatch.setenv("INFINIUM_AGENT_SECRT", SECRET)
        assert "did you mean INFINIUM_AGENT_SECRET?" in run("doctor")

    def test_doctor_shows_what_is_traced_without_code(self, monkeypatch):
        monkeypatch.setenv("INFINIUM_INSTRUMENT", "langchain")
        assert "✓ INFINIUM_INSTRUMENT = langchain" in run("doctor")
        monkeypatch.setenv("INFINIUM_INSTRUMENT", "langchian")
        assert "! INFINIUM_INSTRUMENT: no framework is called 'langchian'" in run("doctor")

    def test_a_store_that_can_not_be_used_is_bad(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("INFINIUM_STORE", str(tmp_path / "file" / "store"))
        settings.reset()
        assert "can't be used: Not a directory" in run("doctor", code=1)

    def test_what_waits_was_refused_or_damaged_is_said(self, account, store):
        with FaultServer([Reply(404, {"error": "none"})]) as server:
            account(server.url)
            keep(number=1)
            for area in ("rejected", "damaged"):
                (store / area / "x").mkdir(mode=0o700)
                (store / area / "x" / "1.json.gz").write_bytes(b"")
            output = run("doctor")
        assert "1 trace waits to be delivered" in output
        assert "1 trace was refused where it was sent" in output
        assert "1 damaged file was set aside" in output

    @pytest.mark.parametrize(
        ("variable", "value", "says"),
        [
            ("INFINIUM_STORE", "memory", "traces are in no folder"),
            ("INFINIUM_STORE", "off", "kept nowhere"),
            ("INFINIUM_HISTORY_DAYS", "0", "delivered traces are not kept"),
            ("INFINIUM_TRACING", "false", "nothing is recorded"),
        ],
    )
    def test_settings_that_keep_less_are_said(self, monkeypatch, variable, value, says):
        monkeypatch.setenv(variable, value)
        settings.reset()
        assert says in run("doctor")

    def test_old_and_missing_packages_are_said(self, monkeypatch):
        from infinium_integrations.cli import doctor

        versions = {"langchain-core": "0.3.1", "httpx": "0.28.1", "pydantic": "2.14.0"}
        monkeypatch.setattr(doctor, "_installed", versions.get)
        output = run("doctor", code=1)
        assert "at least 1.0 is needed: pip install -U langchain-core" in output
        assert "pip install 'infinium-integrations[llama-index]'" in output
        monkeypatch.setattr(doctor, "_installed", lambda _name: None)
        assert "neither framework is installed" in run("doctor")

    def test_a_full_disk_is_bad(self, monkeypatch):
        from infinium_integrations.cli import doctor

        monkeypatch.setattr(doctor, "ROOM", 1 << 62)
        assert "are free on its disk" in run("doctor", code=1)


class TestDelete:
    def kept(self):
        return {row.name for row in runtime.current().delivery.reader.listing()}

    def test_it_asks_first_and_says_what_was_sent_and_what_never_will_be(self, account):
        with FaultServer([Reply(200), Reply(422, {"error": "no"})]) as server:
            account(server.url)
            keep("Sent", 1, session="s-1")
            keep("Refused", 2, session="s-1")
            run("send", code=1)
        keep("Waiting", 3, session="s-1")
        keep("Other", 4, session="s-2")
        states = "1 not sent yet, 1 refused by Infinium, 1 sent to Infinium."
        asked = CliRunner().invoke(main, ["delete", "--session", "s-1"], input="n\n")
        assert asked.exit_code == 1
        assert f"3 traces: {states}" in asked.output
        assert len(self.kept()) == 4
        done = CliRunner().invoke(main, ["delete", "--session", "s-1"], input="y\n")
        assert done.output.endswith(
            "3 traces deleted. 1 had not been sent, and never will be. "
            "1 had been sent already: delete it at Infinium too.\n"
        )
        assert self.kept() == {"Other"}

    def test_all_of_a_user_go(self, store):
        keep("Ada's", 1, user="ada")
        keep("Hers too", 2, user="ada")
        keep("Bob's", 3, user="bob")
        keep("Nobody's", 4)
        assert run("delete", "--user", "ada", "--yes") == "2 traces deleted.\n"
        assert self.kept() == {"Bob's", "Nobody's"}
        assert len(list(store.rglob("*.json.gz"))) == 2

    def test_of_a_session_and_a_user_only_what_is_both_goes(self):
        keep("Both", 1, user="ada", session="s-1")
        keep("Other user", 2, user="bob", session="s-1")
        run("delete", "--user", "ada", "--session", "s-1", "-y")
        assert self.kept() == {"Other user"}

    def test_those_named_go_each_by_the_beginning_of_its_id(self):
        for number in (0xA1, 0xB2, 0xC3):
            keep(f"{number:x}", number)
        assert (
            run("delete", "000000a", "000000b2-0000-4000-8000-000000000000", "000000a1", "-y") == "2 traces deleted.\n"
        )
        assert self.kept() == {"c3"}

    @pytest.mark.parametrize("ids", [["ff"], ["00000001", "ff"], ["0000"], [""]])
    def test_where_one_is_unknown_or_means_several_none_goes(self, ids):
        keep("First", 1)
        keep("Second", 2)
        assert run("delete", *ids, "-y", code=1).startswith("Error: ")
        assert self.kept() == {"First", "Second"}

    def test_that_nothing_is_there_is_said(self):
        keep("First", 1)
        assert run("delete", "--user", "nobody", "-y") == "No trace is like that.\n"

    def test_a_file_that_can_not_be_deleted_is_one_line(self, monkeypatch):
        keep("First", 1)

        def busy(*_arguments, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "unlink", busy)
        assert (
            run("delete", "00000001", "-y", code=1) == "Error: not all could be deleted: Permission denied; try again\n"
        )

    @pytest.mark.parametrize("arguments", [[], ["--session", ""], ["1", "--user", "ada"]])
    def test_what_to_delete_must_be_named_in_one_way(self, arguments):
        keep("First", 1)
        run("delete", *arguments, "-y", code=2)
        assert self.kept() == {"First"}


EVIL = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\re\x08f\x7fg\x1b"


def steering(output):
    """Return what would steer a terminal, colours aside."""
    return re.findall(r"[^\n\x20-\x7e\xa0-\U0010ffff]", re.sub(r"\x1b\[[\d;]*m", "", output))


class TestForeignTexts:
    """What a server, a model or a trace says reaches the terminal as text."""

    def test_a_reason_of_the_server(self, account):
        with FaultServer([Reply(422, {"error": EVIL}), Reply(422, {"error": EVIL})]) as server:
            account(server.url)
            keep()
            outputs = [run("send", code=1, color=True)]
        outputs += [run(*arguments, color=True) for arguments in (["list"], ["show"], ["list", "--json"])]
        assert "␛[2J" in outputs[2]
        assert steering("".join(outputs)) == []

    @pytest.mark.parametrize("status", [401, 403, 422, 500])
    def test_what_doctor_is_answered(self, account, status):
        with FaultServer(then=Reply(status, {"error": EVIL})) as server:
            account(server.url)
            output = run("doctor", code=1, color=True)
        assert "␛[2J" in output
        assert steering(output) == []

    def test_an_error_of_a_client(self, monkeypatch):
        def failing(*_arguments, **_query):
            raise ServerError(EVIL, status_code=500)

        monkeypatch.setattr(runtime.current().delivery.reader, "traces", failing)
        output = run("list", code=1, color=True)
        assert output == "Error: a␛[2Jb␛]0;title␇c\ufffd31md␍e␈f␡g␛\n"

    @pytest.mark.parametrize("command", [["list"], ["show"], ["show", "--all"], ["show", "--json"], ["tail"]])
    def test_every_text_of_a_trace(self, monkeypatch, command):
        error = {"error_type": EVIL, "message": EVIL}
        keep(EVIL, 1, status=EVIL, errors=[error], input_summary=EVIL, output_summary=EVIL, llm_usage={"model": EVIL})
        monkeypatch.setattr(runtime.current().delivery.reader, "watch", lambda **_query: iter(()))
        assert steering(run(*command, color=True)) == []

    def test_what_the_demos_endpoint_says(self):
        said = []
        narrator = Narrator(lambda text, **_options: said.append(text))
        narrator.tool(EVIL, [EVIL])
        narrator.failed(EVIL)
        narrator.answer(EVIL)
        assert steering("".join(said)) == []


class TestTail:
    def test_it_follows_what_other_processes_store_until_interrupted(self):
        keep("Before", 1)
        command = [sys.executable, "-m", "infinium_integrations", "tail", "--poll", "0.05", "-n", "1"]
        with child(command, stdout=subprocess.PIPE, text=True, bufsize=1, env=os.environ) as process:
            assert process.stdout.readline().startswith("id ")
            assert "Before" in process.stdout.readline()
            keep("After", 2)
            assert "After" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=PATIENCE)[0] == "\n"
        assert process.returncode == 0

    def test_it_follows_what_a_query_finds(self):
        keep("Other", 1)
        command = [sys.executable, "-m", "infinium_integrations", "tail", "--poll", "0.05", "step:tool steps>2"]
        with child(command, stdout=subprocess.PIPE, text=True, bufsize=1, env=os.environ) as process:
            assert process.stdout.readline().startswith("id ")
            keep("Short", 2)
            keep("Long", 3, steps=3)
            assert "Long" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=PATIENCE)[0] == "\n"
        assert "did you mean 'tool'?" in run("tail", "tol:x", code=2)

    def test_on_demand_each_trace_is_drawn(self, monkeypatch):
        keep("Before", 1)
        reader = runtime.current().delivery.reader
        monkeypatch.setattr(reader, "watch", lambda **_query: iter(reader.traces()))
        output = run("tail", "--tree", "-n", "0")
        assert "✓ ok  Before" in output
        assert "2 tool   tool 2" in output


class TestServe:
    def test_a_missing_package_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "starlette", None)
        monkeypatch.delitem(sys.modules, "infinium_integrations.viewer.server.app", raising=False)
        monkeypatch.setitem(sys.modules, "infinium_integrations.viewer.server.app", None)
        assert "pip install 'infinium-integrations[server]'" in run("serve", code=1)

    @pytest.fixture
    def asked(self, monkeypatch):
        from infinium_integrations.viewer.server import app as server

        asked = {}

        def run(_source, access, *, port, announce):
            asked.update(access=access, port=port)
            announce(access.address(port))

        monkeypatch.setattr(server, "run", run)
        return asked

    def test_the_address_that_is_printed_holds_a_token_made_up_at_each_start(self, asked):
        output = run("serve")
        first = asked["access"].token
        assert f"shown at http://127.0.0.1:8717/?token={first} (Ctrl-C" in output
        run("serve")
        assert asked["access"].token != first

    def test_the_token_may_be_given(self, asked):
        assert "http://localhost:80/?token=mine " in run(
            "serve", "--token", "mine", "--host", "localhost", "--port", "80"
        )
        assert asked["access"].token == "mine"

    def test_on_this_machine_it_may_be_switched_off(self, asked):
        assert "http://127.0.0.1:8717/ (Ctrl-C ends it)" in run("serve", "--no-token")
        assert asked["access"].token is None

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--no-token", "--host", "0.0.0.0"], "a token is needed"),
            (["--token", ""], "the token is empty"),
        ],
    )
    def test_what_would_show_the_traces_to_others_is_refused(self, asked, arguments, says):
        assert says in run("serve", *arguments, code=1)
        assert asked == {}

    def test_a_token_and_none_exclude_each_other(self, asked):
        assert "exclude each other" in run("serve", "--no-token", "--token", "x", code=2)

    def test_a_port_that_is_taken_is_one_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            assert f"Error: 127.0.0.1, port {port}: Address already in use" in run("serve", "--port", port, code=1)

    def test_the_page_is_read_only_at_the_address_that_it_prints(self):
        keep("Own trace", 1)
        command = [sys.executable, "-m", "infinium_integrations", "serve", "--port", "0"]
        with child(command, stdout=subprocess.PIPE, text=True, bufsize=1, env=os.environ) as process:
            address = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{40,}", process.stdout.readline())[0]
            with httpx.Client(trust_env=False, follow_redirects=True) as browser:
                assert browser.get(address.partition("?")[0]).status_code == 403
                page = browser.get(address)
                assert "Own trace" in page.text
                assert "token=" not in str(page.url)
                assert "Own trace" in browser.get(page.url.join("/traces/00000001-0000-4000-8000-000000000000")).text

    def test_ctrl_c_ends_it_quietly(self, monkeypatch):
        from infinium_integrations.viewer.server import app as server

        def interrupted(_source, _access, **_options):
            raise KeyboardInterrupt

        monkeypatch.setattr(server, "run", interrupted)
        run("serve")


class TestDemo:
    @pytest.mark.filterwarnings("ignore:The 'initial' parameter:DeprecationWarning")  # langchain-core's use of tenacity
    def test_the_first_trace_is_there_to_be_listed_and_shown(self):
        assert "Its trace:" in run("demo")
        assert "Support desk" in run("list")
        assert "ConnectionError: the warehouse did not answer (recovered)" in run("show")

    def test_an_endpoint_and_its_model_go_together(self):
        assert "--base-url and --model go together" in run("demo", "--model", "x", code=2)

    def test_a_missing_framework_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "infinium_integrations.cli.demo.llama_index_agent", None)
        assert "pip install 'infinium-integrations[llama-index]'" in run("demo", "llama-index", code=1)


class TestScript:
    def test_it_is_installed_and_knows_its_version(self):
        script = Path(sys.executable).with_name("infinium-traces")
        done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE)
        assert done.stdout == "infinium-traces 0.1.0\n"

    def test_it_writes_to_a_terminal_that_knows_no_lines(self):
        keep("Naïve", 1)
        command = [sys.executable, "-m", "infinium_integrations", "show"]
        environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
        options = {"capture_output": True, "env": environment, "timeout": PATIENCE}
        drawn = subprocess.run(command, check=True, **options).stdout
        assert b"+ ok  Na\xefve" in drawn
        assert b"=========" in drawn
        assert b"?" not in drawn
        listed = subprocess.run([*command[:-1], "list"], check=True, **options).stdout
        assert b"?" not in listed
        shown = subprocess.run([*command, "--json"], check=True, **options).stdout
        assert json.loads(shown)["name"] == "Naïve"

    def test_it_loads_no_framework_and_no_http_library(self):
        heavy = {"langchain_core", "llama_index", "httpx", "sqlite3"}
        code = f"import infinium_integrations.cli.main, sys; print({heavy} & set(sys.modules))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        assert done.stdout == "set()\n"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs the sockets of a file system")
class TestRunning:
    """What goes on in another process, in a terminal."""

    @pytest.fixture
    def process(self, store):
        with recording(store) as found:
            found.go_on()
            yield found

    def shown(self, *arguments):
        """Give a command's output as soon as the process has answered."""
        deadline = time.monotonic() + PATIENCE
        while "running" not in (output := run(*arguments)):
            assert time.monotonic() < deadline
        return output

    def test_list_has_it_on_top_with_its_open_step_until_it_ends(self, process):
        keep("Earlier", 1)
        first, open_step, second = self.shown("list").splitlines()[1:]
        assert "running" in first
        assert "Quarterly report <b>" in first
        assert re.fullmatch(r" +└ tool fetch_page [\d.]+ m?s", open_step)
        assert "Earlier" in second
        process.go_on()
        process.go_on()
        assert "running" not in run("list")
        assert "Quarterly report" in run("list")

    def test_it_is_counted_nowhere_and_found_by_no_query(self, process):
        self.shown("list")
        assert run("list", "--json") == ""
        assert "Quarterly" not in run("list", "report")
        assert "Quarterly" not in run("list", "--status", "ok")
        assert "Quarterly" in run("list", "--name", "quarterly")
        assert "Quarterly" not in run("list", "--name", "monthly")

    def test_show_draws_it_by_the_beginning_of_its_id(self, process):
        trace_id = self.shown("list").splitlines()[1].split()[0]
        output = run("show", trace_id)
        assert "running" in output
        assert "● fetch_page" in output

    def test_tail_tells_of_it_once_and_then_of_its_end(self, process, store):
        command = [sys.executable, "-m", "infinium_integrations", "tail", "--poll", "0.05", "-n", "0"]
        given = {**os.environ, "INFINIUM_STORE": str(store)}
        with child(command, stdout=subprocess.PIPE, text=True, env=given) as tailing:
            assert line(tailing).startswith("id")
            assert "running" in line(tailing)
            assert "fetch_page" in line(tailing)
            process.go_on()
            process.go_on()
            last = line(tailing)
            assert "running" not in last
            assert "Quarterly report" in last

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
    def test_in_a_terminal_its_line_ends_in_place(self, process, store):
        import pty

        leader, follower = pty.openpty()
        command = [sys.executable, "-m", "infinium_integrations", "tail", "--poll", "0.05", "-n", "0"]
        given = {**os.environ, "INFINIUM_STORE": str(store)}
        with child(command, stdout=follower, env=given), os.fdopen(leader, "rb", buffering=0) as terminal:
            os.close(follower)
            said = b""
            while said.count(b"running") < 3:
                said += terminal.read(1_000)
            assert b"\x1b[2F\x1b[J" in said  # it goes two lines up, and draws them anew
            process.go_on()
            process.go_on()
            while b"local" not in said:
                said += terminal.read(1_000)
            end = said.rpartition(b"\x1b[J")[2].decode()
            assert "Quarterly report" in end
            assert "running" not in end


class TestExperiments:
    """``infinium-traces experiments``."""

    @pytest.fixture(autouse=True)
    def _made(self):
        def shout(text):
            if text == "boom":
                msg = "no <b> boom"
                raise ValueError(msg)
            return f"{text.upper()}, and a long answer that goes on and on until it must be cut somewhere in the table"

        experiment(shout, ["hi", "boom"], name="Shout")
        experiment(shout, ["ho"], name="Shout")
        experiment(shout, ["ha"], name="Whisper", repetitions=2)
        flush()

    def test_they_are_listed_the_latest_first_with_their_totals(self):
        heads, *rows = run("experiments").splitlines()[1:]
        assert heads.split()[:3] == ["Name", "Runs", "Errors"]
        assert [row.split()[:3] for row in rows] == [["Whisper", "2", "0"], ["Shout", "1", "0"], ["Shout", "2", "1"]]

    def test_one_is_shown_by_its_name_the_latest_so_called_or_by_its_id(self):
        output = run("experiments", "Shout")
        assert "1 run, 0 failed" in output
        assert "1 earlier of this name" in output
        earliest = [json.loads(line)["id"] for line in run("experiments", "--json").splitlines()][-1]
        output = run("experiments", earliest)
        assert "2 runs, 1 failed" in output
        assert "ValueError: no <b> boom" in output
        assert "HI, and" in output
        assert max(map(len, output.splitlines())) <= 80

    def test_as_json_each_line_is_an_experiment_or_a_run_of_an_example(self):
        assert [json.loads(line)["runs"] for line in run("experiments", "--json").splitlines()] == [2, 1, 2]
        rows = [json.loads(line) for line in run("experiments", "Whisper", "--json").splitlines()]
        assert [(row["index"], row["repetition"], row["status"]) for row in rows] == [(0, 1, "ok"), (0, 2, "ok")]

    def test_of_a_name_that_there_is_not_the_nearest_is_said(self):
        assert "there is no experiment 'Shuot'; did you mean 'Shout'?" in run("experiments", "Shuot", code=1)
        told = "there is no experiment 'zzz': infinium-traces experiments shows which there are"
        assert told in " ".join(run("experiments", "zzz", code=1).split())


def test_without_experiments_it_is_said_how_one_is_made():
    assert "infinium_integrations.experiment() makes one" in run("experiments")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue"])
def test_a_date_means_the_same_moment_as_an_option_in_a_query_and_in_python(monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        keep("Early", 1, ended="2026-01-30T23:59:00Z")
        keep("Late", 2, ended="2026-01-31T00:01:00Z")
        for arguments in (["--since", "2026-01-31"], ["since:2026-01-31"]):
            output = run("list", *arguments)
            assert "Late" in output
            assert "Early" not in output
        found = runtime.current().delivery.reader.traces(since="2026-01-31")
        assert [task.name for task in found] == ["Late"]
    finally:
        monkeypatch.undo()
        time.tzset()
