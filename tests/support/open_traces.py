"""A second process with an open trace, which goes on a line at a time from its standard input."""

import contextlib
import os
import subprocess
import sys
import textwrap

from children import child, line

PROGRAM = textwrap.dedent(
    """
    import sys
    from infinium_integrations import shutdown, trace

    def go_on(said):
        print(said, flush=True)
        return sys.stdin.readline()

    with trace("Quarterly report <b>", "Research and write", metadata={"session_id": "s-7"}) as report:
        report.set_input_summary("Write about password=hunter2-hunter2-hunter2 and apples")
        with report.step("tool_use", "look_up") as step:
            step.set_input("apples")
            step.set_output("kept away until the end")
        go_on("first")
        with report.step("tool_use", "fetch_page") as step:
            step.set_input("page 7 token=abcdef0123456789abcdef0123456789")
            go_on("second")
        go_on("third")
        report.set_output_summary("Done.")
    shutdown()
    go_on("ended")
    """
)


class Recording:
    """The process: ``go_on`` has it go on to its next halt, and returns that one's name."""

    def __init__(self, process):
        self.process = process

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return line(self.process).strip()


@contextlib.contextmanager
def recording(store, program=PROGRAM, **environment):
    """Start it and wait for its first halt."""
    given = {**os.environ, "INFINIUM_STORE": str(store), **environment}
    command = [sys.executable, "-c", program]
    with child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=given) as process:
        assert line(process).strip() == "first"
        yield Recording(process)
