"""What recording adds to a session that is timed: the same session with it and without, in turns.

python -m benchmarks.overhead     in this project's environment, where no peer is installed
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from project import postgres
from project.runs import module_of, reason, run_pytest
from project.timing.workload import FILE, Workload

ROUNDS = 10
RECORDING = ("-p", "project.timing.recorder", "--costs-to", "costs.json")


def main() -> None:
    """Measure, and print the share that recording adds."""
    shares = []
    with tempfile.TemporaryDirectory() as name:
        folder, dsn, module = Path(name), postgres.dsn(), module_of("session_level")
        Workload(tests=100).write(folder)
        for number in range(ROUNDS):
            seconds = {}
            for options in ((), RECORDING) if number % 2 else (RECORDING, ()):
                start = time.perf_counter()
                status, said = run_pytest(folder, module, dsn, *options, FILE)
                seconds[options] = time.perf_counter() - start
                assert status == 0, reason(said)
            shares.append(seconds[RECORDING] / seconds[()] - 1)
    ends = f"{min(shares):+.1%} to {max(shares):+.1%}"
    print(f"Recording adds {median(shares):+.1%} to a session ({ends} in {ROUNDS} pairs).")


if __name__ == "__main__":
    main()
