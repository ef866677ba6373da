"""Finding runs by their steps and words, in a folder of files as the record writer packs them."""

import itertools
import sqlite3
import stat
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from test_language import QUERIES

from infinium_integrations.capture.folding import Reference, folded
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.payload.finalize import encode
from infinium_integrations.storage import record
from infinium_integrations.storage.folder import FolderStore, make_folder
from infinium_integrations.storage.index import contents, database, sync
from infinium_integrations.storage.index.database import FILE, Index
from infinium_integrations.storage.index.language import QueryError, parse
from infinium_integrations.storage.index.query import Query
from infinium_integrations.storage.memory import MemoryStore

NOW = 1_790_000_000 * 10**9
_numbers = itertools.count()


def tool(name, error=None, status=None, **more):
    step = {"action": "tool_use", "description": name, "tool_call": {"tool_name": name}, **more}
    step["metadata"] = {"status": status or ("error" if error else "ok"), **more.get("metadata", {})}
    return step | ({"error": {"error_type": error[0], "message": error[1]}} if error else {})


def model(name, requested=None, **more):
    facts = {"status": "ok", "model_requested": requested}
    return {"action": "llm_inference", "description": "ask", "llm_call": {"model": name}, "metadata": facts, **more}


def packed(name, steps=(), *, captured=None, tags=None, **fields):
    number = next(_numbers)
    at = NOW + number * 10**9
    trace_id = fields.pop("trace_id", str(uuid.UUID(int=number + 2**127)))
    payload = {
        "name": name,
        "description": name,
        "current_datetime": record.moment(at),
        "duration": 1.0,
        "steps": [{"step_number": place, **step} for place, step in enumerate(steps, start=1)],
        "environment": {"custom_tags": {"status": "ok", **(tags or {})}},
        **fields,
    }
    content = None if captured is None else folded({"messages": [], "tool_definitions": [], "steps": {}, **captured})
    kept = record.new_record(trace_id, payload, encode(payload), at, {"status": "local"}, captured=content)
    return record.file_name(at, trace_id), record.pack(kept)


def keep(root, name, *args, **kwargs):
    file, data = packed(name, *args, **kwargs)
    FolderStore(root).keep(file, data, local=True)


@pytest.fixture(params=["fts5", "no fts5"])
def root(request, tmp_path, monkeypatch):
    """A folder for traces, with and without full-text search in SQLite."""
    if request.param == "no fts5":
        monkeypatch.setattr(sync, "has_fts5", lambda: False)
    make_folder(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def full(tmp_path):
    make_folder(tmp_path / "full")
    return tmp_path / "full"


def found(root, query, **more):
    rows = Index(FolderStore(root), []).find(Query(terms=parse(query), limit=None, **more))
    return sorted(row.name for row in rows)


class TestSteps:
    def test_a_tool_a_model_an_agent_and_a_step_are_found_by_name(self, root):
        keep(root, "a", [tool("refund_order"), {"action": "agent", "description": "billing", "metadata": {}}])
        keep(root, "b", [tool("refund_order_v2", metadata={"agent": "researcher"}), model("claude")])
        assert found(root, "tool:refund_order") == found(root, "tool:REFUND_ORDER") == ["a"]
        assert found(root, "tool:refund*") == ["a", "b"]
        assert found(root, 'tool:"refund*"') == []
        keep(root, "by hand", [{"action": "tool_use", "description": "figures", "metadata": {}}])
        assert found(root, "tool:figures") == ["by hand"]
        assert found(root, "agent:billing") == ["a"]
        assert found(root, "agent:researcher") == ["b"]
        assert found(root, "step:ask model:claude") == ["b"]
        assert (
            found(root, "tool:refund") == found(root, "tool:[r]efund_order") == found(root, "tool:refund?order") == []
        )

    def test_a_models_date_or_size_may_follow_and_what_was_asked_for_counts_too(self, root):
        keep(root, "dated", [model("gpt-4o-2024-08-06")])
        keep(root, "mini", [model("gpt-4o-mini")])
        keep(root, "size", [model("llama3:8b")])
        keep(root, "proxied", [model("deployment-7", requested="gpt-4o")])
        assert found(root, "model:gpt-4o") == ["dated", "proxied"]
        assert found(root, "model:llama3") == ["size"]
        assert found(root, "model:gpt-4o*") == ["dated", "mini", "proxied"]
        assert found(root, "-model:*") == []

    def test_fields_of_steps_hold_for_one_and_the_same_step(self, root):
        keep(root, "same", [tool("refund", ("TimeoutError", "slow")), tool("look")])
        keep(root, "other", [tool("refund"), tool("look", ("TimeoutError", "slow"))])
        assert found(root, "tool:refund error:timeout") == ["same"]
        assert found(root, "tool:refund status:error") == ["same"]
        assert found(root, "status:error tool:look") == ["other"]
        assert found(root, "tool:look status:ok") == ["same"]
        assert found(root, "tool:look -status:ok") == ["other"]
        assert found(root, "tool:refund tool:look status:error") == ["other"]

    def test_a_status_alone_is_the_runs(self, root):
        keep(root, "went on", [tool("refund", ("TimeoutError", "slow"))])
        keep(root, "failed", [tool("refund")], tags={"status": "error"})
        assert found(root, "status:error") == ["failed"]
        assert found(root, "-status:error") == ["went on"]
        assert found(root, "status:local") == found(root, "status:local tool:refund") == ["failed", "went on"]
        assert found(root, "status:sent") == []

    def test_an_error_is_found_in_its_type_and_its_message_of_the_run_itself_too(self, root):
        keep(root, "step", [tool("x", ("httpx.ReadTimeout", "The Straße is closed"))])
        keep(root, "run", errors=[{"error_type": "ValueError", "message": "no docs"}], tags={"status": "error"})
        assert found(root, "error:timeout") == found(root, 'error:"strasse is"') == ["step"]
        assert found(root, "error:ValueError") == found(root, "error:docs") == ["run"]
        assert found(root, "error:docs status:error") == ["run"]
        keep(root, "neither")
        assert found(root, "error:*") == ["run", "step"]
        assert found(root, "-error:*") == ["neither"]
        assert found(root, "error:read*closed") == ["step"]
        assert found(root, 'error:"*"') == []

    def test_what_is_negated_holds_of_no_step(self, root):
        keep(root, "a", [tool("refund"), tool("look")])
        keep(root, "b", [tool("look")])
        keep(root, "c")
        assert found(root, "-tool:refund") == ["b", "c"]
        assert found(root, "tool:look -tool:refund") == ["b"]


class TestRuns:
    def test_its_numbers_its_ids_its_time_and_its_name(self, root):
        usage = {"total_tokens": 6_000, "estimated_cost_usd": 0.02}
        keep(root, "big Report", [tool("x")] * 3, llm_usage=usage, duration=12.5, tags={"user_id": "u-1"})
        keep(root, "small", tags={"session_id": "S"}, errors=[{"error_type": "E", "message": "m"}])
        for query in ["tokens>5000", "tokens>5.9k", "duration>10s", "cost>0.01", "steps>=3", "name:report", "user:u-1"]:
            assert found(root, query) == ["big Report"], query
        for query in ["session:S", "session:*", "errors>0", "-user:u-1", "steps:0", "-tokens>5000", "-cost<1"]:
            assert found(root, query) == ["small"], query
        assert found(root, "session:s") == []
        assert len(found(root, "since:2026-01-01 before:2027-01-01")) == 2
        assert found(root, "before:2026-01-01") == found(root, "name:big_report") == []
        (row, _) = Index(FolderStore(root), []).find(Query())
        assert found(root, f"id:{row.trace_id}") == [row.name]

    def test_a_tag_is_one_of_the_list_or_a_key_with_its_value_or_without(self, root):
        keep(root, "a", tags={"tags": "eu,prompt=old", "prompt": "v2", "empty": ""})
        keep(root, "b", tags={"tags": "europe", "prompt": "v1"})
        assert found(root, "tag:eu") == found(root, "tag:prompt=v2") == found(root, "tag:prompt=old") == ["a"]
        assert found(root, "tag:prompt") == ["a", "b"]
        assert found(root, "-tag:prompt=v2") == ["b"]
        assert found(root, "tag:prompt=v*") == found(root, "tag:eu*") == found(root, "name:*") == ["a", "b"]
        assert found(root, "tag:status") == found(root, "tag:v2") == []

    def test_the_value_of_a_tag_may_be_in_quotes_with_its_key_or_alone(self, root):
        keep(root, "a", tags={"experiment": "Two departments"})
        keep(root, "b", tags={"experiment": "Two*"})
        for query in [
            'tag:experiment="Two departments"',
            'tag:"experiment=Two departments"',
            'tag:exp*="Two departments"',
        ]:
            assert found(root, query) == ["a"], query
        assert found(root, 'tag:experiment="Two*"') == ["b"]


CONTENT = {
    "messages": [
        {"role": "system", "parts": [{"type": "text", "content": "You are KIND to O'Brien."}]},
        {"role": "user", "parts": [{"type": "text", "content": "返金をお願いします。東京都から"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "they want their money"},
                {"type": "tool_call", "id": "call_9", "name": "refund_order", "arguments": {"order_id": 4711}},
            ],
        },
    ],
    "tool_definitions": [{"name": "unused_tool", "description": "never called"}],
    "steps": {
        "1": {
            "input_messages": [Reference(0), Reference(1)],
            "output_messages": [Reference(2)],
            "tools": ["unused_tool"],
        },
        "2": {"arguments": {"order_id": 4711}, "result": {"paid": "12,50 € to ada@example.com", "state": "C++"}},
        "3": {
            "input": "policy",
            "documents": [{"content": "Refunds within 30 days", "metadata": {"source": "faq.md"}}],
        },
    },
}


class TestWords:
    @pytest.fixture
    def kept(self, root):
        steps = [
            model("gpt-4o", input_preview="cut pre"),
            tool("refund_order"),
            tool("docs", output_preview="seen here"),
        ]
        keep(root, "Support", steps, captured=CONTENT, tags={"prompt": "variant-b"}, output_summary="Done, Größe L")
        keep(root, "Other", [tool("x", ("ReadTimeoutError", "gateway"))], input_summary="C, 100% sure")
        return root

    @pytest.mark.parametrize(
        "query",
        [
            *(
                "kind",
                "KIND o'brien",
                "money",
                "4711",
                "order_id",
                "paid",
                "ada@example.com",
                "example",
                "12,50",
                "C++",
            ),
            *(
                "refunds",
                "faq.md",
                "policy",
                "refund_order",
                "order",
                "größe",
                "GRÖSSE",
                "variant-b",
                "support",
                "gpt-4o",
            ),
            *(
                "返金",
                "京都",
                "願い",
                "東京都から",
                '"返金をお願い"',
                '"they want their money"',
                "refu*",
            ),
            *('"12,50 €"', "€", "money tool:refund_order", "money -gateway", "kind refunds"),
        ],
    )
    def test_words_are_found_in_names_previews_errors_and_content(self, kept, query):
        assert found(kept, query) == ["Support"]

    @pytest.mark.parametrize("query", ["gateway", "ReadTimeoutError", "timeout", "100%", "sure -kind", "-money"])
    def test_errors_are_found_by_the_words_of_their_type(self, kept, query):
        assert found(kept, query) == ["Other"]

    @pytest.mark.parametrize(
        "query",
        [
            "unused_tool",
            "never",
            "call_9",
            "nowhere",
            '"money their"',
            "返答",
            "kind gateway",
            "-kind -gateway",
            "D++",
            "¿",
        ],
    )
    def test_what_nobody_said_is_not_found(self, kept, query):
        assert found(kept, query) == []

    def test_words_are_found_at_their_beginning_and_in_quotes_as_a_whole(self, full):
        keep(full, "a", input_summary="refunded orders, cafe\u0301 and café")
        assert found(full, "refund order") == found(full, '"refunded orders"') == found(full, "cafe") == ["a"]
        assert found(full, '"REFUNDED   orders"') == ["a"]
        assert found(full, '"refund"') == found(full, "funded") == []

    def test_the_keyword_text_asks_for_words_as_they_are(self, kept):
        index = Index(FolderStore(kept), [])
        assert [row.name for row in index.find(Query(text="order_id money"))] == ["Support"]
        assert index.count(Query(text='"they want"')) == index.count(Query(text="tool:refund_order")) == 0

    def test_a_trace_is_searched_up_to_a_limit_its_names_and_errors_first(self, full, monkeypatch):
        monkeypatch.setattr(contents, "TEXT_LIMIT", 300)
        message = {"role": "user", "parts": [{"type": "text", "content": "early " + "x " * 300 + "late"}]}
        keep(full, "a", [tool("named", ("E", "why"))], captured={"messages": [message]})
        assert found(full, "early") == found(full, "named") == found(full, "why") == ["a"]
        assert found(full, "late") == []

    def test_traces_in_memory_are_found_in_the_same_way(self):
        memory = MemoryStore()
        memory.keep(*packed("Support", [tool("refund_order")], captured=CONTENT), local=True)
        index = Index(None, [memory])
        for query in ["money", "tool:refund_order", "status:local", ""]:
            assert index.count(Query(terms=parse(query))) == 1
        assert index.count(Query(terms=parse("nowhere"))) == 0


class TestOrder:
    def test_lists_are_sorted_by_a_column_the_unknown_last(self, root):
        keep(root, "b", duration=3.0, llm_usage={"total_tokens": 5})
        keep(root, "A", duration=1.0)
        keep(root, "c", duration=2.0, llm_usage={"total_tokens": 9})

        def order(sort):
            return "".join(row.name for row in Index(FolderStore(root), []).find(Query(sort=sort)))

        assert (order("duration"), order("-duration")) == ("Acb", "bcA")
        assert (order("tokens"), order("-tokens")) == ("bcA", "cbA")
        assert (order("name"), order("-name"), order("ended"), order("-ended")) == ("Abc", "cbA", "bAc", "cAb")

    def test_rows_say_what_went_in_and_what_came_out(self, root):
        keep(root, "a", input_summary="in\n it", output_summary="o" * 500)
        (row,) = Index(FolderStore(root), []).find(Query())
        assert row.input == "in it"
        assert (len(row.output), row.output[-1]) == (160, "…")
        assert row.preview == row.output


class TestUpkeep:
    def test_a_list_reads_no_trace_and_the_first_search_reads_each_once(self, root, monkeypatch):
        read = []
        plain = database.read_file
        monkeypatch.setattr(database, "read_file", lambda path: read.append(path) or plain(path))
        for name in "abc":
            keep(root, name, [tool("x")])
        assert found(root, "duration>0 name:*") == found(root, "") == ["a", "b", "c"]
        assert read == []
        assert found(root, "tool:x") == ["a", "b", "c"]
        assert found(root, "nowhere") == []
        assert len(read) == 3
        keep(root, "d", [tool("x")])
        assert found(root, "tool:x") == ["a", "b", "c", "d"]
        assert len(read) == 4

    def test_who_is_not_patient_finds_what_is_read_so_far(self, root, monkeypatch):
        monkeypatch.setattr(database, "FEW", 1)
        keep(root, "a", [tool("x")])
        keep(root, "b", [tool("x")])
        index = Index(FolderStore(root), [], patient=False)
        assert (index.count(Query()), index.left().unread, index.count(Query(terms=parse("tool:x")))) == (2, 2, 0)
        told = []
        Index(FolderStore(root), [], progress=lambda *told_: told.append(told_)).read_all()
        assert told == [(2, 2)]
        assert (index.left().unread, index.count(Query(terms=parse("tool:x")))) == (0, 2)

    def test_who_is_not_patient_lists_the_latest_first(self, root, monkeypatch):
        monkeypatch.setattr(database, "SOME", 2)
        for name in "abcde":
            keep(root, name)
        index = Index(FolderStore(root), [], patient=False)
        assert [row.name for row in index.find(Query())] == ["e", "d"]
        assert not index.left().listed or index.count(Query()) == 5
        monkeypatch.setattr(sync, "MANY", 2)
        Index(FolderStore(root), []).read_all()
        assert (index.count(Query()), index.left()) == (5, database.Left())

    def test_who_is_not_patient_does_not_wait_for_another_reader(self, root):
        keep(root, "a", [tool("x")])
        assert found(root, "tool:x") == ["a"]
        keep(root, "b", [tool("x")])
        with sqlite3.connect(root / FILE, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            index = Index(FolderStore(root), [], patient=False)
            assert index.count(Query(terms=parse("tool:x"))) == 1
            other.execute("ROLLBACK")
        other.close()
        assert index.count(Query(terms=parse("tool:x"))) == 2

    def test_of_a_trace_in_two_places_while_it_moves_the_history_says_what_is_true(self, root):
        file, data = packed("moving", [tool("x")])
        FolderStore(root).put(file, data, "account")
        FolderStore(root).keep(file, data)
        (row,) = Index(FolderStore(root), []).find(Query(terms=parse("tool:x")))
        assert row.folder.startswith("history/")

    def test_files_of_a_later_version_are_tried_once_a_look(self, root, monkeypatch):
        monkeypatch.setattr(sync, "MANY", 2)
        for name in "abc":
            keep(root, name)
        monkeypatch.setattr(record, "FORMAT", 1)
        assert found(root, "") == []

    def test_what_has_an_odd_shape_does_no_harm(self, root):
        odd = [None, 7, {"metadata": 3, "llm_call": [], "step_number": "one"}, {"metadata": {"name": 5}, "error": "e"}]
        file, _ = packed("odd")
        at = NOW + 5
        for number, body in enumerate([{"steps": odd, "errors": "no", "environment": [1]}, [], {"steps": {"a": 1}}]):
            kept = record.new_record(f"odd-{number}", {"name": "odd"}, encode(body), at, {"status": "local"})
            FolderStore(root).keep(f"{file}{number}", record.pack(kept), local=True)
        keep(
            root,
            "ok",
            [tool("x")],
            captured={"messages": ["no", {"parts": {"a": 1}}, {"parts": [None]}], "steps": {"1": 5}},
        )
        assert found(root, "tool:x") == ["ok"]
        assert len(found(root, "")) == 4

    def test_several_readers_at_once_read_each_trace_once_and_agree(self, root):
        for number in range(60):
            keep(root, f"run {number}", [tool("x")], captured=CONTENT)
        counts, threads = [], []
        for query in ["tool:x", "money", "tool:x money"] * 3:
            ask = Query(terms=parse(query))
            threads.append(
                threading.Thread(target=lambda ask=ask: counts.append(Index(FolderStore(root), []).count(ask)))
            )
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert counts == [60] * 9
        with sqlite3.connect(root / FILE) as opened:
            assert opened.execute("SELECT count(*) FROM steps").fetchone() == (60,)
            assert opened.execute("SELECT count(*) FROM words").fetchone() == (60,)
        opened.close()

    def test_every_file_of_the_index_is_its_owners_alone(self, root, monkeypatch):
        keep(root, "a", [tool("x")])
        modes = {}

        def look(told):
            modes.update({path.name: stat.S_IMODE(path.stat().st_mode) for path in root.glob(f"{FILE}*")})
            return told

        plain = contents.read_contents
        monkeypatch.setattr(contents, "read_contents", lambda *kept: look(plain(*kept)))
        assert found(root, "tool:x") == ["a"]
        assert len(modes) > 1
        assert set(modes.values()) == {0o600}

    def test_an_index_of_an_earlier_version_is_made_anew(self, root):
        keep(root, "a", [tool("x")])
        with sqlite3.connect(root / FILE) as opened:
            opened.execute("CREATE TABLE traces(x)")
            opened.execute(f"PRAGMA user_version = {sync.VERSION - 1}")
        opened.close()
        assert found(root, "tool:x") == ["a"]

    def test_an_index_with_full_text_is_made_anew_by_a_sqlite_without_and_the_other_way_round(self, full, monkeypatch):
        keep(full, "a", [tool("x")], captured=CONTENT)
        assert found(full, "money") == ["a"]
        assert found(full, "oney") == []
        monkeypatch.setattr(sync, "has_fts5", lambda: False)
        assert found(full, "oney") == ["a"]
        monkeypatch.undo()
        assert found(full, "oney") == []


class TestDeletion:
    def test_nothing_of_a_deleted_trace_remains_in_the_index(self, root):
        secret = {"messages": [{"role": "user", "parts": [{"type": "text", "content": "xylophonist"}]}]}
        keep(root, "kept", [tool("keeper")], captured=CONTENT)
        step = tool("zanzibar_tool", ("QuokkaError", "marmoset"), metadata={"node": "wombat_node"})
        keep(root, "platypus", [step], captured=secret, tags={"prompt": "ocelot"})
        names = [b"xylophonist", b"zanzibar", b"quokka", b"marmoset", b"wombat", b"platypus", b"ocelot"]
        assert found(root, "xylophonist tool:zanzibar_tool") == ["platypus"]
        before = bytes_of(root)
        assert all(name in before for name in names)
        (path,) = [
            path for path in root.rglob("*.json.gz") if record.unpack(path.read_bytes()).head["name"] == "platypus"
        ]
        path.unlink()
        Index(FolderStore(root), []).forget()
        assert [name for name in names if name in bytes_of(root)] == []
        assert found(root, "xylophonist") == found(root, "tool:zanzibar_tool") == []
        assert found(root, "money tool:keeper") == ["kept"]

    def test_a_trace_that_is_deleted_while_it_is_read_is_not_taken_in(self, root, monkeypatch):
        keep(root, "a", [tool("x")])
        plain = contents.read_contents

        def gone(*kept):
            for path in root.rglob("*.json.gz"):
                path.unlink()
            monkeypatch.setattr(contents, "read_contents", plain)
            assert Index(FolderStore(root), []).count(Query()) == 0
            return plain(*kept)

        monkeypatch.setattr(contents, "read_contents", gone)
        assert found(root, "tool:x") == []
        with sqlite3.connect(root / FILE) as opened:
            left = [
                opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("steps", "words", "kinds")
            ]
        opened.close()
        assert left == [0, 0, 0]

    def test_what_a_deleted_trace_said_is_never_taken_for_what_a_later_one_says(self, root, monkeypatch):
        keep(root, "deleted", [tool("x")])
        plain = contents.read_contents

        def replaced(*kept):
            monkeypatch.setattr(contents, "read_contents", plain)
            next(root.rglob("*.json.gz")).unlink()
            assert Index(FolderStore(root), []).count(Query()) == 0
            keep(root, "later", [tool("y")])
            assert Index(FolderStore(root), []).count(Query()) == 1
            return plain(*kept)

        monkeypatch.setattr(contents, "read_contents", replaced)
        assert found(root, "tool:x") == []
        assert found(root, "tool:y") == ["later"]


def bytes_of(root):
    return b"".join(path.read_bytes().lower() for path in Path(root).glob(f"{FILE}*"))


@given(query=QUERIES)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_asked_the_index_answers(asked, query):
    try:
        terms = parse(query)
    except QueryError:
        return
    assert asked.count(Query(terms=terms)) >= 0


@pytest.fixture
def asked(root):
    keep(root, "a", [tool("x")], captured=CONTENT)
    return Index(FolderStore(root), [])


def test_any_text_of_a_trace_is_found_by_itself_in_quotes(full):
    texts = [
        "a_b-c",
        "x.y(z)",
        '"quoted" text',
        "emoji 🎉 here",
        "naïve ﬁnance",
        "ÅNGSTRÖM",
        "ภาษาไทย",
        "한국어로",
        "e=mc²",
    ]
    for text in texts:
        keep(full, text, input_summary=f"before {text} after")
    for text in texts:
        assert text in found(full, '"' + text.replace('"', '""') + '"'), text


def test_a_query_that_can_not_be_read_is_a_configuration_error():
    with pytest.raises(ConfigurationError):
        parse("tol:x")
