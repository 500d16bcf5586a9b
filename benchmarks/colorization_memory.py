"""The memory that colorization's training and evaluation take on larger and larger folders of photographs.

    python -m benchmarks.colorization_memory --data FOLDER [--photographs 200 4000 8000]

The photographs of FOLDER are repeated in a temporary folder. Each file has other bytes behind the picture's end, so no
two files are copies of each other. Each row is the whole command for one epoch, in a separate process. Memory is the
largest amount of RAM that the process held at once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.inputs.images import find_pictures

# The process prints its own ru_maxrss (kilobytes on Linux). RUSAGE_CHILDREN would be the largest of all children.
TRAIN = """
import resource, runpy, sys
sys.argv[0] = "train"
runpy.run_module("projects.colorization.train", run_name="__main__")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--photographs", type=int, nargs="+", default=[200, 4000, 8000])
    args = parser.parse_args()
    sources, _ = find_pictures(args.data)
    print("| photographs | their files | memory | seconds |\n|---:|---:|---:|---:|")
    for count in sorted(args.photographs):
        with tempfile.TemporaryDirectory() as folder:
            size = 0
            for number in range(count):
                content = sources[number % len(sources)].read_bytes() + f"{number}".encode()
                (Path(folder) / f"{number}{sources[number % len(sources)].suffix}").write_bytes(content)
                size += len(content)
            began = time.perf_counter()
            memory = trained(Path(folder))
            seconds = time.perf_counter() - began
        print(f"| {count:,} | {size / 1e6:,.0f} MB | {memory / 1e6:.2f} GB | {seconds:.0f} |", flush=True)


def trained(folder: Path) -> float:
    """Train and evaluate on the folder for one epoch. Returns the memory in kilobytes."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-c", TRAIN, "--data", str(folder), "--epochs", "1", "--runs-dir", runs]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
