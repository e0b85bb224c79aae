#!/usr/bin/env python3
"""Tests of the table of docs/benchmarks."""

import unittest

import join
import table

TITLES = {"quorid": "Quorid", "postgres": "PostgreSQL"}
TURNS = [
    line.split()
    for line in """\
memory before quorid 600 100
memory before postgres 300 100
rate lookup 64 1 quorid 1000 0
rate lookup 64 1 postgres 2000 0
rate lookup 64 2 postgres 4000 1
rate lookup 64 2 quorid 1000 0
rate lookup 64 3 quorid 3000 2
rate lookup 64 3 postgres 3000 0
rate create 1 1 quorid 90 0
rate create 1 1 postgres 60 0
memory after quorid 660 1234
memory after postgres 330 2345""".splitlines()
]


class Tables(unittest.TestCase):
    def test_ratio_is_the_median_of_the_rounds_and_rates_are_too(self):
        _, lookup = table.cells(TITLES, TURNS)
        self.assertEqual(lookup["rounds"], [[1000, 2000], [1000, 4000], [3000, 3000]])
        self.assertEqual(lookup["medians"], [1000, 3000])
        self.assertEqual(lookup["ratios"], [0.5])
        self.assertEqual(lookup["failed"], [2, 1])

    def test_creates_come_first_and_everything_has_a_row(self):
        found = {
            "date": "2026-01-01", "cores": 2, "rounds": 3, "seconds": 4, "accounts": 100,
            "names": list(TITLES.values()),
            "cells": table.cells(TITLES, TURNS),
            "memory": table.memory(TITLES, TURNS),
        }
        self.assertEqual(table.table(found).splitlines()[:8], [
            "| a second | Quorid | PostgreSQL (ratio) |",
            "| --- | --- | --- |",
            "| creates, 1 client | 90 | 60 (1.50) |",
            "| lookups, linearizable, 64 clients | 1,000 | 3,000 (0.50) |",
            "| memory of all servers, MiB, 100 accounts | 600 | 300 (2.00) |",
            "| memory of all servers, MiB, in the end | 660 | 330 (2.00) |",
            "| accounts in the end | 1,234 | 2,345 |",
            "| failed requests | 2 | 1 |",
        ])

    def test_runs_of_other_cells_are_joined_and_runs_of_other_systems_are_not(self):
        lookup = {
            "cores": 2, "rounds": 3, "seconds": 4, "accounts": 100, "names": list(TITLES.values()),
            "cells": table.cells(TITLES, TURNS)[1:], "memory": {"before": 1, "after": 2},
        }
        create = {**lookup, "cells": table.cells(TITLES, TURNS)[:1], "memory": {"before": 3, "after": 4}}
        joined = join.join([lookup, create])
        self.assertEqual([cell["kind"] for cell in joined["cells"]], ["create", "lookup"])
        self.assertEqual(joined["memory"], {"before": 1, "after": 4})
        with self.assertRaises(ValueError):
            join.join([lookup, {**create, "names": ["Quorid", "etcd"]}])


if __name__ == "__main__":
    unittest.main()
