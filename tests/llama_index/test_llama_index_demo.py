"""``infinium-traces demo llama-index`` needs no key and no network, and shows what a trace is."""

from infinium_integrations import configure
from infinium_integrations.cli.demo import llama_index_agent


def test_the_demo_runs_offline_and_shows_its_trace(tmp_path):
    configure(store=str(tmp_path))
    said = []
    task = llama_index_agent.run(echo=lambda text, nl=True: said.append(text))
    told = "\n".join(said)
    assert "failed: the warehouse did not answer" in told
    assert "InfiniumEventHandler().register()" in told
    assert task.output_summary == llama_index_agent.ANSWER
    assert [error.recoverable for error in task.errors] == [True]
    assert {step.action for step in task.steps} == {"workflow_step", "llm_inference", "tool_use", "retrieval"}
    assert task.llm_usage.total_tokens > 100
