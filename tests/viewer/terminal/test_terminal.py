"""What a terminal shows of a trace."""
# ruff: noqa: RUF001

import click
import conversations
import pytest
import samples
from inline_snapshot import snapshot

from infinium_integrations.models import DeliveryState, ErrorDetail, TaskData
from infinium_integrations.viewer.terminal import columns as cells
from infinium_integrations.viewer.terminal.render import folded, picture, short, table
from infinium_integrations.viewer.terminal.transcript import transcript

EVERY = {
    "interrupted": conversations.interrupted,
    "repeated": conversations.repeated_error,
    "nodes": conversations.nodes_with_one_call,
    "agent": samples.agent,
    "failed": samples.failed,
    "single": samples.single,
    "retriever": samples.retriever,
    "parallel": samples.parallel,
    "run": lambda: samples.run(700),
    "flat": lambda: samples.flat(400),
    "deep": samples.deep,
    "hostile": samples.hostile,
    "empty": lambda: TaskData(name="By hand", description="x", duration=1),
}


def plain(lines):
    return "\n".join(click.unstyle(line).rstrip() for line in lines)


class TestPicture:
    def test_an_agent_at_60_columns(self):
        assert plain(picture(samples.agent(), 60)) == snapshot("""\
✓ ok  Refund request           11.5 s  9,930 tokens  $0.0323
5eed0000-0000-4000-8000-000000000001
2026-11-20 09:37:11 UTC · langchain 1.7.2
gpt-4o, gpt-4o-mini · session chat-4711 · #support · #produ…
in   I bought the annual plan 20 days ago and want my money
     back. Order 58213, ada@example.com.
out  Dear Ada, your annual plan is 20 days old, so we refund
     the full €240 to your card within 5 days. Kind regards

                               0     5 s        time tokens
 1 model  Plan                 ━━             1.31 s  1,326
 2 search policy_search         ╸             640 ms
 3 embed  ├ text-embedding-3-…  ╸             180 ms
 4 rerank └ CrossEncoder         ╸            310 ms
 5 agent  account_agent          ━━━━━━━━━    6.90 s
 6 tool   ├ get_order            ━━           890 ms
 7 tool   ├ ✕ crm_lookup         ━━━          2.00 s
            ↺ ReadTimeout: timed out after 2.0 s (recovered)
 8 tool   ├ crm_lookup (attem…      ━━        1.32 s
 9 model  └ ChatOpenAI               ━━━━━    3.42 s  6,722
10 chain  format_reply                   ╸     12 ms
11 model  Write the reply                ━━━━ 2.41 s  1,882\
""")

    def test_an_agent_at_120_columns(self):
        assert plain(picture(samples.agent(), 120)) == snapshot("""\
✓ ok  Refund request                                                                       11.5 s  9,930 tokens  $0.0323
5eed0000-0000-4000-8000-000000000001 · 2026-11-20 09:37:11 UTC · langchain 1.7.2 · gpt-4o, gpt-4o-mini
session chat-4711 · #support · #production
in   I bought the annual plan 20 days ago and want my money back. Order 58213, ada@example.com.
out  Dear Ada, your annual plan is 20 days old, so we refund the full €240 to your card within 5 days. Kind regards

                                   0           2 s         4 s         6 s         8 s          10 s        time tokens
 1 model  Plan                     ━━━━━━━━                                                               1.31 s  1,326
 2 search policy_search                    ━━━━                                                           640 ms
 3 embed  ├ text-embedding-3-small         ━━                                                             180 ms
 4 rerank └ CrossEncoder                     ━━                                                           310 ms
 5 agent  account_agent                        ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━                6.90 s
 6 tool   ├ get_order                          ━━━━━━                                                     890 ms
 7 tool   ├ ✕ crm_lookup                       ━━━━━━━━━━━━━                                              2.00 s
            ↺ ReadTimeout: timed out after 2.0 s (recovered)
 8 tool   ├ crm_lookup (attempt 2)                          ━━━━━━━━                                      1.32 s
 9 model  └ ChatOpenAI                                              ━━━━━━━━━━━━━━━━━━━━━                 3.42 s  6,722
10 chain  format_reply                                                                   ╸                 12 ms
11 model  Write the reply                                                                ━━━━━━━━━━━━━━━━ 2.41 s  1,882\
""")

    def test_a_failed_run_at_60_columns(self):
        assert plain(picture(samples.failed(), 60)) == snapshot("""\
✕ error  Nightly research        6.20 s  460 tokens  $0.0016
5eed0000-0000-4000-8000-000000000004
2026-11-20 09:58:06 UTC · llama_index 1.7.2 · gpt-4o
session night-7 · #nightly

                               0          5 s   time tokens
1 model  Router                ━━             900 ms    460
2 step   ✕ research              ━━━━━━━━━━━━ 5.20 s
3 model  ├ ✕ ChatOpenAI          ╸            210 ms
           ✕ RateLimitError: 429: slow down × 2
4 model  ├ ✕ ChatOpenAI (atte…     ╸          190 ms
5 tool   └ … background_job      ━━━━━━━━━━━…      –\
""")

    def test_a_failed_run_at_120_columns(self):
        assert plain(picture(samples.failed(), 120)) == snapshot("""\
✕ error  Nightly research                                                                    6.20 s  460 tokens  $0.0016
5eed0000-0000-4000-8000-000000000004 · 2026-11-20 09:58:06 UTC · llama_index 1.7.2 · gpt-4o · session night-7 · #nightly

                                    0          1 s        2 s        3 s        4 s        5 s        6 s   time tokens
1 model  Router                     ━━━━━━━━━━                                                            900 ms    460
2 step   ✕ research                           ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  5.20 s
3 model  ├ ✕ ChatOpenAI                       ━━━                                                         210 ms
           ✕ RateLimitError: 429: slow down × 2
4 model  ├ ✕ ChatOpenAI (attempt 2)                         ━━━                                           190 ms
5 tool   └ … background_job                    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━…      –\
""")

    def test_one_call_at_60_columns(self):
        assert plain(picture(samples.single(), 60)) == snapshot("""\
✓ ok  ChatOpenAI                  812 ms  33 tokens  $0.0002
5eed0000-0000-4000-8000-000000000003
2026-11-20 09:51:00 UTC · langchain 1.7.2 · gpt-4o
in   Say hello
out  Hello! How can I help you today?

                    0              500 ms       time tokens
1 model  ChatOpenAI ━━━━━━━━━━━━━━━━━━━━━━━━━ 812 ms     33\
""")

    def test_a_trace_without_steps_is_its_head(self):
        task = TaskData(name="By hand", description="x", duration=1, current_datetime="2026-11-20T09:30:00Z")
        assert plain(picture(task, 60)) == snapshot("""\
✓ ok  By hand                                         1.00 s
2026-11-20 09:30:00 UTC\
""")

    @pytest.mark.parametrize("name", EVERY)
    @pytest.mark.parametrize("columns", [60, 61, 80, 119, 160])
    def test_no_line_is_wider_than_the_terminal(self, name, columns):
        for everything in (False, True):
            for line in picture(EVERY[name](), columns, everything=everything):
                assert cells.width(click.unstyle(line)) <= columns

    def test_a_terminal_narrower_than_60_gets_60_and_a_wider_than_160_gets_160(self):
        assert picture(samples.agent(), 20) == picture(samples.agent(), 60)
        assert picture(samples.agent(), 500) == picture(samples.agent(), 160)

    def test_no_foreign_text_steers_the_terminal(self):
        for line in picture(samples.hostile(), 100, everything=True):
            text = click.unstyle(line)
            assert not {character for character in text if ord(character) < 32 or 0x7F <= ord(character) < 0xA0}
            assert not set(text) & set("\u2028\u2029\u202d\u202e\u2066\u2067\u2068\ufffe")

    def test_errors_are_red(self):
        (line,) = (line for line in picture(samples.failed(), 100) if "RateLimitError" in line)
        assert "\x1b[31m" in line

    def test_equal_errors_are_said_once_with_their_number(self):
        text = plain(picture(conversations.repeated_error(), 100))
        assert text.count("did not answer") == 1
        assert "✕ ReadTimeout: the warehouse did not answer × 10" in text
        assert text.count("✕ find_order") == 10

    def test_an_error_that_a_later_try_survived_is_told_from_one_that_none_did(self):
        task = conversations.repeated_error(2)
        task.steps[0].error = task.steps[0].error.model_copy(update={"recoverable": True})
        text = plain(picture(task, 100))
        assert "↺ ReadTimeout: the warehouse did not answer (recovered)" in text
        assert "✕ ReadTimeout: the warehouse did not answer" in text

    def test_a_step_and_its_single_call_are_one_row(self):
        rows = plain(picture(conversations.nodes_with_one_call(), 80)).splitlines()[-5:]
        assert [row.split("━")[0].split() for row in rows] == [
            ["1", "model", "plan", "(ChatOpenAI)"],
            ["3", "tool", "tools", "(get_order)"],
            ["5", "step", "both"],
            ["6", "model", "├", "ChatOpenAI"],
            ["7", "model", "└", "ChatOpenAI"],
        ]
        assert rows[0].split()[-3:] == ["500", "ms", "120"]

    def test_a_row_of_two_says_what_failed_in_it(self):
        task = conversations.nodes_with_one_call()
        task.steps[3].error = ErrorDetail(error_type="KeyError", message="no order 1")
        assert "✕ tools (get_order)" in (text := plain(picture(task, 80)))
        assert "✕ KeyError: no order 1" in text

    def test_with_every_step_drawn_a_single_call_has_a_row_of_its_own(self):
        task = conversations.nodes_with_one_call()
        assert "└ get_order" in plain(picture(task, 80, everything=True))
        assert folded(task)

    def test_what_a_person_was_asked_stands_above_the_steps(self):
        text = plain(picture(conversations.interrupted(), 120))
        assert '‖ consent asks: Refund €740.00 to Ada Lovelace? {"order": 58213, "amount": 740.0}' in text
        assert text.index("Refund €740.00") < text.index("time")

    def test_an_error_that_no_step_shows_stands_at_the_end(self):
        error = ErrorDetail(error_type="ValueError", message="no luck")
        task = TaskData(name="x", description="x", duration=1, errors=[error])
        assert click.unstyle(picture(task, 60)[-1]) == "✕ ValueError: no luck"


class TestLongRuns:
    def test_many_steps_are_grouped(self):
        lines = picture(samples.run(5_000), 100)
        assert len(lines) < 150
        assert any("250 steps, 1…250" in line for line in lines)

    def test_what_failed_is_unfolded_first(self):
        text = plain(picture(samples.run(2_000), 100))
        assert "✕ ToolException: no page 194" in text

    def test_on_demand_every_step_is_drawn_without_groups(self):
        task = samples.run(700)
        text = plain(picture(task, 100, everything=True))
        assert "steps, 1…" not in text
        assert sum(line.strip()[:1].isdigit() for line in text.splitlines()) >= 700

    def test_it_is_known_whether_something_is_folded(self):
        assert folded(samples.run(700))
        assert not folded(samples.agent())

    def test_ten_thousand_levels_are_drawn(self):
        assert len(picture(samples.deep(10_000), 80, everything=True)) > 10_000


class TestTable:
    def tasks(self):
        return [
            samples.agent().with_delivery(DeliveryState(status="pending")),
            samples.failed().with_delivery(DeliveryState(status="rejected")),
            samples.run(50).with_delivery(DeliveryState(status="sent")),
            TaskData(name="By hand", description="x", duration=0.5, current_datetime="2026-11-20T09:30:00Z"),
        ]

    def test_at_60_columns(self):
        assert plain(table(self.tasks(), 60)) == snapshot("""\
id       ended (UTC) name          duration  tokens delivery
5eed0000 11-20 09:37 Refund r… ✓     11.5 s   9,930 pending
5eed0000 11-20 09:58 Nightly…  ✕     6.20 s     460 rejected
5eed0000 11-20 10:12 Long run… ✓     12.2 s   9,890 sent
-        11-20 09:30 By hand   ✓     500 ms\
""")

    def test_at_120_columns(self):
        assert plain(table(self.tasks(), 120)) == snapshot("""\
id       ended (UTC)      name                                                                 duration  tokens delivery
5eed0000 2026-11-20 09:37 Refund request                                       ✓ ok              11.5 s   9,930 pending
5eed0000 2026-11-20 09:58 Nightly research                                     ✕ error           6.20 s     460 rejected
5eed0000 2026-11-20 10:12 Long run of 50 steps                                 ✓ ok              12.2 s   9,890 sent
-        2026-11-20 09:30 By hand                                              ✓ ok              500 ms\
""")

    @pytest.mark.parametrize("columns", [60, 89, 90, 160])
    def test_no_line_is_wider_than_the_terminal(self, columns):
        tasks = [make().with_delivery(DeliveryState(status="rejected")) for make in EVERY.values()]
        assert all(cells.width(click.unstyle(line)) <= columns for line in table(tasks, columns))

    def test_an_id_is_short_and_harmless(self):
        assert short("5eed0000-0000") == "5eed0000"
        assert short("\x1b[2J") == "␛[2J"
        assert short(None) == "-"


class TestCells:
    @pytest.mark.parametrize(
        ("text", "columns"), [("", 0), ("abc", 3), ("漢字", 4), ("e\u0301", 1), ("\u200bx", 1), ("é", 1)]
    )
    def test_a_texts_width_is_what_it_takes(self, text, columns):
        assert cells.width(text) == columns

    @pytest.mark.parametrize(
        ("text", "columns", "made"),
        [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("漢字字", 4, "漢…"), ("a b", 2, "a…"), ("abc", 0, ""), ("ab", 1, "…")],
    )
    def test_a_text_is_cut_to_its_columns(self, text, columns, made):
        assert cells.cut(text, columns) == made

    def test_a_text_is_set_left_and_right(self):
        assert (cells.left("漢", 4), cells.right("漢", 4)) == ("漢  ", "  漢")

    def test_a_text_is_broken_between_words(self):
        assert cells.wrapped("one two three four", 9, 3) == ["one two", "three", "four"]
        assert cells.wrapped("one two three four", 9, 2) == ["one two", "three fo…"]
        assert cells.wrapped("extraordinary", 5, 3) == ["extr…"]
        assert cells.wrapped("", 5, 3) == []


class TestTranscript:
    def test_it_says_which_tools_were_offered_once(self):
        text = plain(transcript(conversations.agent()))
        assert text.count("── tools offered\npolicy_search, get_order, crm_lookup") == 1

    def test_a_document_says_what_it_is_and_how_well_it_fits(self):
        assert "── document 1 · refunds.md#2 · score 0.912" in plain(transcript(conversations.agent()))

    def test_one_sees_where_reasoning_ends_and_the_answer_begins(self):
        text = plain(transcript(conversations.agent()))
        assert "reasoning:\n  The customer wants a refund.\n  I need" in text
        assert "\nI will look up the policy" in text
