"""The table of what turns.sh measured, as Markdown, and all figures as JSON."""

import argparse
import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

KINDS = {
    "create": "creates",
    "lookup": "lookups, linearizable",
    "mixed": "95% lookups, 5% creates",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("titles", type=Path)
    parser.add_argument("turns", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    lines = arguments.titles.read_text(encoding="utf-8").splitlines()
    titles = dict(line.split("\t") for line in lines)
    turns = [line.split() for line in arguments.turns.read_text(encoding="utf-8").splitlines()]
    found = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "accounts": arguments.accounts,
        "names": list(titles.values()),
        "cells": cells(titles, turns),
        "memory": memory(titles, turns),
    }
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def cells(titles, turns):
    """For each cell the rates of each round, in the order of the titles, and what they come to."""
    keys = list(dict.fromkeys((kind, int(clients)) for what, kind, clients, *_ in turns if what == "rate"))
    keys.sort(key=lambda key: (list(KINDS).index(key[0]), key[1]))
    return [cell(titles, turns, *key) for key in keys]


def cell(titles, turns, kind, clients):
    rounds, failed = {}, dict.fromkeys(titles, 0)
    for what, *rest in turns:
        if what == "rate" and (rest[0], int(rest[1])) == (kind, clients):
            rounds.setdefault(int(rest[2]), {})[rest[3]] = int(rest[4])
            failed[rest[3]] += int(rest[5])
    rates = [[rates[system] for system in titles] for _, rates in sorted(rounds.items())]
    return {
        "kind": kind,
        "clients": clients,
        "names": list(titles.values()),
        "rounds": rates,
        "medians": [median(each) for each in zip(*rates)],
        # Of the first system to each of the others: the median of the rounds' ratios.
        "ratios": [median(round_[0] / round_[place] for round_ in rates) for place in range(1, len(titles))],
        "failed": list(failed.values()),
    }


def memory(titles, turns):
    """Memory of all servers of a system under load and its accounts, before the first turn and after the last."""
    found = {when: {} for when in ("before", "after")}
    for what, *rest in turns:
        if what == "memory":
            when, system, mib, accounts = rest
            found[when][titles[system]] = {"mib": int(mib), "accounts": int(accounts)}
    return found


def table(found):
    first, *others = found["names"]
    ratios = " | ".join(f"{name} (ratio)" for name in others)
    rows = [f"| a second | {first} | {ratios} |", "| --- |" + " --- |" * len(found["names"])]
    for each in found["cells"]:
        clients = f"{each['clients']} client" + "s" * (each["clients"] != 1)
        rates = [f"{each['medians'][0]:,.0f}"]
        rates += [f"{rate:,.0f} ({ratio:.2f})" for rate, ratio in zip(each["medians"][1:], each["ratios"])]
        rows.append(f"| {KINDS[each['kind']]}, {clients} | {' | '.join(rates)} |")
    before, after = found["memory"]["before"], found["memory"]["after"]
    for when, of in [(f"{found['accounts']:,} accounts", before), ("in the end", after)]:
        own = of[first]["mib"]
        used = [f"{own:,}"] + [f"{of[name]['mib']:,} ({own / max(1, of[name]['mib']):.2f})" for name in others]
        rows.append(f"| memory of all servers, MiB, {when} | {' | '.join(used)} |")
    counts = [f"{of['accounts']:,}" for of in after.values()]
    rows.append(f"| accounts in the end | {' | '.join(counts)} |")
    failed = [sum(each) for each in zip(*(each["failed"] for each in found["cells"]))]
    rows.append(f"| failed requests | {' | '.join(f'{count:,}' for count in failed)} |")
    rows += ["", f"Medians of {found['rounds']} rounds of {found['seconds']} s in turns, {found['date']}, "
                 f"{found['cores']} cores. The ratio is {first}'s figure to that of the column, median of the rounds."]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
