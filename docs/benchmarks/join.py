#!/usr/bin/env python3
"""One table of several runs of compare.sh or versions.sh, each of which measured other cells of the same systems."""

import argparse
import json
import sys
from pathlib import Path

import table

SAME = ("cores", "rounds", "seconds", "accounts", "names")


def join(runs):
    """The cells of all runs; memory before the first and after the last of them."""
    for key in SAME:
        if any(run[key] != runs[0][key] for run in runs):
            raise ValueError(f"the runs differ in {key}: {[run[key] for run in runs]}")
    cells = [cell for run in runs for cell in run["cells"]]
    cells.sort(key=lambda cell: (list(table.KINDS).index(cell["kind"]), cell["clients"]))
    memory = {"before": runs[0]["memory"]["before"], "after": runs[-1]["memory"]["after"]}
    return {**runs[-1], "cells": cells, "memory": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="what --json wrote, oldest first")
    files = parser.parse_args().files
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    try:
        print(table.table(join(runs)))
    except ValueError as error:
        sys.exit(f"error: {error}; try: docs/benchmarks/compare.sh --help")


if __name__ == "__main__":
    main()
