import random

import pytest
import samples

from infinium_integrations.models import ExecutionStep, TaskData
from infinium_integrations.viewer.timeline import MAX_LEVEL, Group, Node, Tree


def by_title(tree: Tree, title: str) -> Node:
    return next(node for node in tree.nodes if node.title == title)


def rows(items):
    return [node for item in items for node in (item.nodes if isinstance(item, Group) else [item])]


def test_steps_stand_under_their_parent_and_on_the_line_of_time():
    tree = Tree(samples.agent())
    agent = by_title(tree, "account_agent")
    assert [node.title for node in agent.children] == ["get_order", "crm_lookup", "crm_lookup", "ChatOpenAI"]
    assert [node.level for node in agent.children] == [1, 1, 1, 1]
    assert (agent.start, agent.length, agent.steps_inside, agent.errors_inside) == (2050, 6900, 4, 1)


def test_the_critical_path_is_what_the_end_had_to_wait_for():
    tree = Tree(samples.agent())
    assert tree.forked
    assert [node.title for node in tree.nodes if not node.critical] == ["get_order"]
    fanned = Tree(samples.parallel())
    assert [node.title for node in fanned.nodes if node.critical] == ["fetch_11", "Summarise"]


def test_the_slow_and_the_token_hungry_step_stand_out_and_equal_ones_do_not():
    tree = Tree(samples.agent())
    assert [node.title for node in tree.slow] == ["ChatOpenAI", "Write the reply"]
    assert [node.title for node in tree.hungry] == ["ChatOpenAI"]
    assert Tree(samples.flat(40)).slow == []
    assert Tree(samples.single()).slow == []


def test_a_hand_made_step_without_a_time_follows_the_one_before_it():
    tree = Tree(samples.flat(3))
    assert [node.start for node in tree.nodes] == [0, 11, 23]


def test_a_step_that_never_ended_reaches_to_the_end_of_the_trace():
    job = by_title(Tree(samples.failed()), "background_job")
    assert job.endless
    assert job.end == 6200
    assert not job.slow


def test_a_step_that_passes_on_its_childs_failure_is_not_listed_as_one():
    assert [node.title for node in Tree(samples.failed()).failures] == ["ChatOpenAI", "ChatOpenAI"]


def test_many_steps_side_by_side_are_grouped_and_groups_are_too():
    tree = Tree(samples.flat(10_000))
    assert len(tree.items) <= 50
    assert all(isinstance(item, Group) for item in tree.items)
    assert [node.step.step_number for node in rows(tree.items)] == list(range(1, 10_001))
    first = tree.items[0]
    assert first.numbers == (1, 2_500)
    assert first.steps_inside == 2_500


def test_a_group_says_what_is_in_it():
    group = Tree(samples.run(1_000)).items[0]
    assert group.numbers == (1, 250)
    assert (group.steps_inside, group.errors_inside) == (250, 1)
    assert group.tokens > 50_000
    assert group.end > group.start
    assert group.level == 0


def test_about_a_screenful_is_unfolded_of_a_long_run_and_all_of_a_short_one():
    short = Tree(samples.agent())
    assert all(node.unfolded for node in short.nodes if node.children)
    long = Tree(samples.run(1_000))
    assert sum(item.unfolded for item in long.items) == 2


def test_deep_nesting_is_capped_where_browsers_cap_it():
    tree = Tree(samples.deep(600))
    assert max(node.level for node in tree.nodes) == MAX_LEVEL
    assert sum(1 for _ in tree.nodes) == 600


@pytest.mark.parametrize("seed", range(30))
def test_whatever_stands_in_the_metadata_a_tree_comes_of_it(seed):
    dice = random.Random(seed)
    odd = [None, True, -1, 0, 3, 10**400, float("nan"), float("inf"), "2", [], {"a": 1}, 2.5, 1e308]
    steps = [
        ExecutionStep(
            step_number=dice.randint(1, 30),
            action="tool_use",
            description="",
            duration_ms=dice.choice([None, 0, 5, 10**15]),
            metadata={name: dice.choice(odd) for name in ("parent_step", "started_ms", "status", "name", "attempt")},
        )
        for _ in range(40)
    ]
    tree = Tree(TaskData(name="odd", description="odd", duration=0.1, steps=steps))
    assert len(tree.nodes) == 40
    assert sorted(map(id, rows(tree.items))) == sorted(map(id, tree.roots))
    assert all(0 <= tree.share(node.start) <= 100 for node in tree.nodes)


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0.0, [0, 1]),
        (0.95, [0, 200, 400, 600, 800]),
        (11.46, [0, 2_000, 4_000, 6_000, 8_000, 10_000]),
        (221.0, [0, 60_000, 120_000, 180_000]),
    ],
)
def test_the_scale_has_round_times(seconds, ticks):
    assert Tree(TaskData(name="a", description="a", duration=seconds)).ticks() == ticks


def test_the_scale_of_a_week_has_days():
    step = samples.step(1, "chain", "week", 0, 7 * 86_400_000)
    assert Tree(samples.trace("Week", 1.0, [step])).ticks()[1] == 2 * 86_400_000.0
