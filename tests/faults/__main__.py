"""Put the index through every fault, many times, and print how often each promise held.

python tests/faults [--scale 0.1] [NAME …]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from corruption import damage_files
from disk import full_disks
from identity import refuse_other_models
from kills import command_kills, kills
from mutations import mutate_documents
from outcome import Outcome, Trial
from readers import readers
from stateful import stateful
from writers import writers

# Each trial with the number of faults that is promised.
TRIALS: dict[str, tuple[Trial, int]] = {
    "kills": (kills, 3000),
    "command": (command_kills, 10),
    "disk": (full_disks, 50),
    "corruption": (damage_files, 10_000),
    "mutations": (mutate_documents, 7000),
    "writers": (writers, 100),
    "readers": (readers, 200),
    "identity": (refuse_other_models, 100),
    "stateful": (stateful, 500),
}
ROW = "{:44} {:>7} {:>7} {:>6}  {}"


def main() -> int:
    """Run the trials and print the table; return 1 if a promise broke."""
    parser = argparse.ArgumentParser("python tests/faults")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TRIALS))
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of faults")
    arguments = parser.parse_args()
    print(ROW.format("promise", "tried", "kept", "s", "counted"), flush=True)
    outcomes = [run(name, arguments.scale) for name in arguments.names or TRIALS]
    for outcome in outcomes:
        for line in outcome.breaks:
            print(f"BROKEN: {outcome.promise}: {line}", file=sys.stderr)
    return int(any(outcome.kept < outcome.tried for outcome in outcomes))


def run(name: str, scale: float) -> Outcome:
    """Run one trial in a folder of its own and print its row."""
    trial, count = TRIALS[name]
    started = time.monotonic()
    with TemporaryDirectory(prefix=f"faults-{name}-") as folder:
        os.environ["XDG_STATE_HOME"] = folder  # the last index of who runs this stays remembered
        outcome = trial(max(1, round(count * scale)), Path(folder))
    facts = ", ".join(f"{fact} {value:g}" for fact, value in outcome.facts)
    seconds = f"{time.monotonic() - started:.0f}"
    print(ROW.format(outcome.promise, outcome.tried, outcome.kept, seconds, facts), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
