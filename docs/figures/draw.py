#!/usr/bin/env python3
"""Draws the figures of the documentation from the trace of a real run.

    draw.py                  from trace.json beside this file, to there
    draw.py TRACE OUTDIR     from another trace, to another directory
    draw.py --check          says whether the figures are what it would draw; writes nothing

The trace is made by `quorid demo --trace FILE`. Nothing but Python's standard library is needed.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import election  # noqa: E402
import failover  # noqa: E402
import run  # noqa: E402
import write  # noqa: E402

HERE = Path(__file__).resolve().parent


def figures(trace):
    """Every figure's text by its file name."""
    return {
        "election.svg": election.draw(trace),
        "write.svg": write.draw(trace),
        "failover.svg": failover.draw(trace),
    }


def differing(drawn, directory):
    """Names of the figures in the directory that are missing or not as drawn."""
    for name, text in drawn.items():
        path = directory / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trace", nargs="?", type=Path, default=HERE / "trace.json")
    parser.add_argument("outdir", nargs="?", type=Path, default=HERE)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    arguments = parser.parse_args()
    try:
        drawn = figures(run.read(arguments.trace))
    except (run.TraceError, ValueError) as error:
        sys.exit(f"error: {error}")
    if arguments.check:
        others = list(differing(drawn, arguments.outdir))
        if others:
            sys.exit(f"not as drawn: {', '.join(others)}; run: python3 docs/figures/draw.py")
        return
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (arguments.outdir / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
