"""What tracing costs: the bare program, a handler that does nothing, ours, and the peers, in one run.

    tox -e bench                                     everything
    tox -e bench -- --only W1,W3 --turns 10          a part
    tox -e bench -- --beside before=/path/to/tree    another version of ours too, from its sources
    tox -e bench -- --growth                         how costs grow with steps, open traces, a full store
    tox -e bench -- --server tls                     over TLS; "slow": each answer takes 200 ms

Each library has a process of its own and a server on this machine that takes all it sends. The processes take turns,
one workload after the other, and a turn of a library is compared with the bare program's turn beside it; what is
printed are medians of these differences, per run. The numbers of two runs can't be compared, those of one can: the
last columns are ratios. A peer that is not installed is left out.

caller   CPU of the thread that runs the program, µs, with a flush after each run, so that the processor's caches are
         cold; tools of create_agent run on other threads
loop     the same in a tight loop without a flush
total    CPU of the whole process until all is delivered, µs
wall     how much longer a tight loop takes, µs
"""

import argparse
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import libraries
from sink import Sink

HERE = Path(__file__).parent
FRAMEWORKS = {
    "langchain": ("W1", "W3", "W3x30", "H300", "W4", "W5", "W6x1000"),
    "llama_index": ("Q1", "Q2", "Q3"),
}
ALWAYS = ("bare", "nothing", "ours")
KINDS = ("caller", "loop", "total", "wall")
WARM_UP = 2
SLOW = 0.2
"""Seconds that a slow server takes for each answer."""


class Worker:
    """A process with one library in it."""

    def __init__(self, framework, label, library, url, tree=None):
        self.label = label
        self._process = subprocess.Popen(
            command("turns", framework, library, f"{url}/{label}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(tree),
        )

    def ready(self):
        return self._process.stdout.readline() == "ready\n"

    def ask(self, **what):
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self):
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


def command(mode, framework, library, url):
    return [sys.executable, str(HERE / "worker.py"), mode, framework, library, url]


def environment(tree=None):
    env = {key: value for key, value in os.environ.items() if not key.startswith("INFINIUM_")}
    env |= {"LANGSMITH_TRACING": "false", "ANONYMIZED_TELEMETRY": "false", "DO_NOT_TRACK": "true"}
    return env | ({"PYTHONPATH": tree} if tree else {})


def server(kind):
    """Return the server that all send to, having told them whom to trust."""
    if kind != "tls":
        return Sink(delay=SLOW if kind == "slow" else 0.0)
    import trustme  # in the benchmark's own environment

    authority, folder = trustme.CA(), Path(tempfile.mkdtemp())
    authority.cert_pem.write_to_path(folder / "ca.pem")
    os.environ.update(SSL_CERT_FILE=str(folder / "ca.pem"), REQUESTS_CA_BUNDLE=str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Sink(context=context)


def compare(framework, names, turns, beside, peers, sink):
    """Run the workloads of one framework and print a table of each."""
    known = [name for name in getattr(libraries, framework.upper()) if not peers or name in {*ALWAYS, *peers}]
    workers = [Worker(framework, name, name, sink.url) for name in known]
    workers += [Worker(framework, label, "ours", sink.url, tree) for label, tree in beside.items()]
    absent = [worker.label for worker in workers if not worker.ready()]
    if absent:
        print(f"left out, since they could not be set up: {', '.join(absent)}")
    workers = [worker for worker in workers if worker.label not in absent]
    for name in names:
        table(name, measure(name, workers, turns, sink))
    print(f"\n{'':16}{'idle, ms of CPU a second':>26}{'peak memory, MB':>18}")
    for worker in workers:
        said = worker.ask(idle=3)
        print(f"{worker.label:16}{said['idle']:26.2f}{said['peak']:18.0f}")
    for worker in workers:
        worker.stop()


def measure(name, workers, turns, sink):
    """Return by library, by kind, the medians of what it adds to the bare program, and what it sent and kept."""
    taken = {worker.label: [] for worker in workers}
    for at in range(turns + WARM_UP):
        if at == WARM_UP:
            sink.bytes.clear()
            sink.requests.clear()
        for worker in workers:
            said = worker.ask(work=name)
            if at >= WARM_UP:
                taken[worker.label].append(said)
    runs = {label: sum(one["runs"] for one in said) for label, said in taken.items()}
    return {
        label: {
            **{
                kind: statistics.median(mine[kind] - bare[kind] for mine, bare in zip(said, taken["bare"], strict=True))
                for kind in KINDS
            },
            "base": statistics.median(one["caller"] for one in said),
            "disk": statistics.median(one["disk"] for one in said),
            "sent": sink.bytes[label] / runs[label],
            "requests": sink.requests[label] / runs[label],
        }
        for label, said in taken.items()
    }


def table(name, found):
    print(f"\n{name}: µs a run more than bare ({found['bare']['base']:.0f} of the caller)")
    print(
        f"{'':16}" + "".join(f"{kind:>12}" for kind in KINDS) + f"{'sent, B':>12}{'kept, B':>10}{'requests':>10}",
        end="",
    )
    print("".join(f"{f'÷ ours {kind}':>16}" for kind in KINDS))
    ours = found["ours"]
    for label, one in found.items():
        if label == "bare":
            continue
        line = f"{label:16}" + "".join(f"{one[kind]:12.0f}" for kind in KINDS)
        line += f"{one['sent']:12.0f}{one['disk']:10.0f}{one['requests']:10.2f}"
        print(line + "".join(f"{one[kind] / max(ours[kind], 1):16.2f}" for kind in KINDS), flush=True)


def ends(framework):
    """Print how long setting up takes, and the way out of a process with a server that is live, slow or dead."""
    servers = {"live": Sink().url, "slow": Sink(delay=30.0).url, "dead": "http://127.0.0.1:9"}
    print(f"\n{framework}: seconds{'':8}{'set-up':>10}" + "".join(f"{f'exit, {name}':>14}" for name in servers))
    for library in getattr(libraries, framework.upper()):
        took = [_output(command("import", framework, library, servers["live"])) for _ in range(3)]
        if None in took:
            continue
        left = []
        for url in servers.values():
            done = _output(command("exit", framework, library, f"{url}/{library}"))
            left.append(time.time() - done if done else float("nan"))
        print(f"{library:24}{min(took):10.3f}" + "".join(f"{seconds:14.2f}" for seconds in left), flush=True)


def _output(line):
    """Return the number that a program printed; None where it failed, or took more than two minutes."""
    try:
        run = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True, env=environment())
        return float(run.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="workloads, by comma")
    parser.add_argument("--peers", default="", help="of the peers, these alone, by comma")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--beside", action="append", default=[], help="LABEL=TREE: another version of ours")
    parser.add_argument("--no-ends", action="store_true", help="leave out set-up and exit")
    parser.add_argument("--server", choices=("plain", "tls", "slow"), default="plain")
    parser.add_argument("--growth", action="store_true", help="only how costs grow, without the peers: growth.py")
    given = parser.parse_args()
    if given.growth:
        sys.exit(subprocess.run([sys.executable, str(HERE / "growth.py")], env=environment(), check=False).returncode)
    only = set(filter(None, given.only.split(",")))
    beside = dict(pair.split("=", 1) for pair in given.beside)
    for framework, names in FRAMEWORKS.items():
        wanted = [name for name in names if not only or name in only]
        if wanted:
            compare(
                framework, wanted, given.turns, beside, set(filter(None, given.peers.split(","))), server(given.server)
            )
            if not given.no_ends:
                ends(framework)


if __name__ == "__main__":
    main()
