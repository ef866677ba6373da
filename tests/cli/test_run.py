"""``infinium-traces run``: programs that know nothing of us are traced, and do what they do without us."""

import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from children import PATIENCE, child, line
from click.testing import CliRunner
from delivery_kit import environment
from faultserver import closed_port
from server_kit import answers

from infinium_integrations import traces
from infinium_integrations.cli import run as running
from infinium_integrations.cli.main import main

RUN = [sys.executable, "-m", "infinium_integrations", "run"]
SCRIPTS = {
    "langchain_core": """
        import sys
        from langchain_core.runnables import RunnableLambda
        print(RunnableLambda(str.upper).invoke(sys.stdin.read()), *sys.argv[1:])
        sys.exit(7)
    """,
    "llama_index.core": """
        import sys
        from llama_index.core.llms import MockLLM
        print(MockLLM(max_tokens=2).complete(sys.stdin.read()), *sys.argv[1:])
        sys.exit(7)
    """,
}
AGENT = """
    from langchain_core.runnables import RunnableLambda
    RunnableLambda(str.upper).invoke("x")
"""


@pytest.fixture
def env(tmp_path, monkeypatch):
    """A store, which the test can read, and no pycache of a program beside it."""
    monkeypatch.setenv("INFINIUM_STORE", str(tmp_path / "store"))
    return environment(INFINIUM_STORE=tmp_path / "store")


@pytest.fixture
def script(tmp_path):
    def write(text, name="agent.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


def outcome(command, env, **options):
    """What can be seen of a program from outside."""
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False, **{"input": "", **options}
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("framework", SCRIPTS)
def test_an_unchanged_script_is_traced_and_ends_as_it_does_without_us(framework, env, script):
    pytest.importorskip(framework)
    command = [sys.executable, script(SCRIPTS[framework]), "--help", "-n", "two words", "--", ""]
    alone = outcome(command, env, input="given to it")
    assert (alone[0], len(traces())) == (7, 0)
    assert outcome([*RUN, *command], env, input="given to it") == alone
    assert len(traces()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_the_program_itself(number, env, script):
    path = script("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        print("ready", flush=True)
        signal.pause()
    """)
    ended = []
    for before in ([], RUN):
        with child([*before, sys.executable, path], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert line(process) == b"ready\n"
            process.send_signal(number)
            ended.append(process.wait(PATIENCE))
    assert ended[1] == ended[0]
    assert ended[0] == {signal.SIGTERM: 5, signal.SIGINT: -signal.SIGINT, signal.SIGKILL: -signal.SIGKILL}[number]


def test_a_shell_in_which_a_reader_goes_away_ends_quietly(env):
    """Python ignores SIGPIPE, and what it ignores the program would inherit."""
    command = ["sh", "-c", "yes | head -n 1"]
    assert outcome([*RUN, *command], env) == outcome(command, env) == (0, "y\n", "")


def test_what_the_program_sees_of_its_path_modules_and_process_is_as_without(env, script, tmp_path):
    path = script("""
        import os, sys, json
        print(json.dumps([sys.path, sys.argv, sys.flags, os.getppid() == int(sys.argv[1]), os.getcwd()]))
    """)
    command = [sys.executable, "-X", "utf8", path, str(os.getpid())]
    assert outcome([*RUN, *command], env, cwd=tmp_path) == outcome(command, env, cwd=tmp_path)


def test_a_sitecustomize_that_was_there_runs_first_and_is_the_one_that_is_seen(env, script, tmp_path):
    script("import sys; GREETING = 'theirs'; print('infinium_integrations' in sys.modules)", "sitecustomize.py")
    path = script("import sitecustomize; print(sitecustomize.GREETING)")
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], str(tmp_path)])
    assert outcome([sys.executable, path], running.traced(env)) == (0, "False\ntheirs\n", "")


@pytest.mark.parametrize("fault", ["raise LookupError('theirs')", "import no_such_module"])
def test_a_sitecustomize_that_fails_does_so_as_without_us(fault, env, script, tmp_path):
    pytest.importorskip("langchain_core")
    script(fault, "sitecustomize.py")
    command = [sys.executable, script(AGENT)]
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], str(tmp_path)])
    alone = outcome(command, env)
    assert outcome(command, running.traced(env)) == alone
    assert len(traces()) == 1


def test_another_tool_that_starts_programs_so_works_around_it(shell, script):
    pytest.importorskip("langchain_core")
    pytest.importorskip("opentelemetry.instrumentation.auto_instrumentation")
    shell.update({f"OTEL_{kind}_EXPORTER": "none" for kind in ("TRACES", "METRICS", "LOGS")})
    path = script(f"{AGENT}\n    import sys; print('opentelemetry.instrumentation' in sys.modules)")
    command = ["opentelemetry-instrument", *RUN, sys.executable, path]
    assert outcome(command, shell)[:2] == (0, "True\n")
    assert len(traces()) == 1


def test_programs_that_the_program_starts_are_traced_once_each(env, script):
    pytest.importorskip("langchain_core")
    script(AGENT, "child.py")
    path = script(f"""
        import multiprocessing, os, subprocess, sys
        def work():
            {textwrap.indent(textwrap.dedent(AGENT), " " * 12).strip()}
        if __name__ == "__main__":
            command = [sys.executable, os.path.join(os.path.dirname(__file__), "child.py")]
            subprocess.run(command, check=True)
            subprocess.run([sys.executable, "-m", "infinium_integrations", "run", *command], check=True)
            for way in ("fork", "spawn"):
                process = multiprocessing.get_context(way).Process(target=work)
                process.start()
                process.join()
                assert process.exitcode == 0
            work()
    """)
    assert outcome([*RUN, sys.executable, path], env) == (0, "", "")
    assert len(traces()) == 5


def test_what_the_environment_names_is_what_is_traced(env, script):
    pytest.importorskip("langchain_core")
    command = [*RUN, sys.executable, script(AGENT)]
    assert outcome(command, {**env, "INFINIUM_INSTRUMENT": "llama_index"}) == (0, "", "")
    assert traces() == []
    assert outcome(command, {**env, "INFINIUM_INSTRUMENT": ""}) == (0, "", "")
    assert len(traces()) == 1


def test_a_module_a_command_and_a_program_on_the_path_run(env, script, tmp_path):
    pytest.importorskip("langchain_core")
    script(AGENT, "an_agent.py")
    ours = Path(script(f"#!{sys.executable}\nimport an_agent", "own-program"))
    ours.chmod(0o700)
    env["PATH"] = os.pathsep.join([str(tmp_path), env["PATH"]])
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], str(tmp_path)])
    for command in ([sys.executable, "-m", "an_agent"], [sys.executable, "-c", "import an_agent"], ["own-program"]):
        assert outcome([*RUN, *command], env) == (0, "", "")
    assert len(traces()) == 3


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("no-such-program", 127, "Error: no-such-program: No such file or directory\n"),
        ("agent.py", 126, "Error: {}: Permission denied; did you mean: infinium-traces run python {}\n"),
    ],
)
def test_a_program_that_cannot_be_run_is_said_and_ends_as_in_a_shell(name, code, said, env, script):
    path = script("print('runs')")
    given = path if name == "agent.py" else name
    assert outcome([*RUN, given], env) == (code, "", said.replace("{}", path))


def test_without_a_program_it_says_how_it_is_used():
    done = CliRunner().invoke(main, ["run"])
    assert done.exit_code == 2
    assert "run [OPTIONS] PROGRAM [ARGUMENT]..." in done.output


def test_a_python_without_our_package_runs_the_program_and_is_told_of_it_once(env, script):
    hidden = script(
        """
        import sys
        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name == "infinium_integrations":
                    raise ModuleNotFoundError("No module named 'infinium_integrations'", name=name)
        sys.meta_path.insert(0, Hide())
    """,
        "sitecustomize.py",
    )
    path = script("import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)']); print(2)")
    # -E would keep ours away too
    env = running.traced({**env, "PYTHONPATH": str(Path(hidden).parent)})
    env["_INFINIUM_RUN"] = "0"
    assert outcome([sys.executable, path], env) == (0, "1\n2\n", "")
    replaced = f"""
        import os, sys
        os.environ["_INFINIUM_RUN"] = str(os.getpid())
        os.execv(sys.executable, ["python", {path!r}])
    """
    code, printed, said = outcome([sys.executable, "-c", textwrap.dedent(replaced)], env)
    assert (code, printed) == (0, "1\n2\n")
    [only] = said.splitlines()
    assert only.startswith("infinium-traces run: nothing is traced, No module named 'infinium_integrations' (")


def test_the_folder_stands_on_the_path_once_and_first():
    before = os.pathsep.join(["a", str(running.STARTUP), "b"])
    assert running.traced({"PYTHONPATH": before})["PYTHONPATH"] == os.pathsep.join([str(running.STARTUP), "a", "b"])
    assert running.traced({})["PYTHONPATH"] == running.traced({"PYTHONPATH": ""})["PYTHONPATH"] == str(running.STARTUP)


def test_an_empty_part_of_the_path_is_still_the_current_folder(env, tmp_path):
    command = [sys.executable, "-c", "import sys; print(sys.path)"]
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}{os.pathsep}"
    assert outcome([*RUN, *command], env, cwd=tmp_path) == outcome(command, env, cwd=tmp_path)


WSGI = """
    from langchain_core.runnables import RunnableLambda

    def app(environ, start):
        start("200 OK", [("content-type", "text/plain")])
        return [RunnableLambda(str.upper).invoke("x").encode()]
"""
SHELL = re.findall(
    r"```sh\n(.+?)```", (Path(__file__).parents[2] / "docs" / "howto" / "no_code.md").read_text(), re.DOTALL
)
LINES = [line for block in SHELL for line in block.splitlines()]


@pytest.fixture
def shell(env):
    """This Python's programs come first, as in an environment that is active."""
    return {**env, "PATH": os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])}


@pytest.mark.parametrize("line", [line for line in LINES if "agent.py" in line])
def test_what_the_page_shows_traces_an_agent(line, shell, script, tmp_path):
    pytest.importorskip("langchain_core")
    script(f"import infinium_integrations\n{textwrap.dedent(AGENT)}" if "run" not in line else AGENT)
    assert outcome(["sh", "-c", line], shell, cwd=tmp_path) == (0, "", "")
    assert len(traces()) == 1


def test_what_the_page_shows_traces_a_server_that_forks(shell, script, tmp_path):
    pytest.importorskip("langchain_core")
    pytest.importorskip("gunicorn", reason="uv pip install --group test")
    [line] = [line for line in LINES if "agent.py" not in line]
    script(WSGI, "app.py")
    port = closed_port()
    shell["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{port} --workers 2 --log-level error"
    with child(shlex.split(line), env=shell, cwd=tmp_path) as process:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert len(traces()) == 1


def test_where_a_process_cannot_be_replaced_the_programs_exit_code_is_given(env):
    assert running._wait_for([sys.executable, "-c", "import sys; sys.exit(9)"], env) == 9
