"""Figures of the recorded runs, by their paths: hosts.leader_killed.pause_ms."""

import json
import re

from script import ScriptError


class Figures:
    """All figures of some recordings."""

    def __init__(self, directory, recordings):
        self.records = {}
        self.data = {}
        for recording in recordings:
            path = directory / recording.result
            self.data[recording.name] = self._read(recording.name, path)

    def _read(self, name, path):
        if path.suffix == ".md":
            return _table(path.read_text(encoding="utf-8"))
        record = json.loads(path.read_text(encoding="utf-8"))
        if "chapters" not in record:
            return record
        if not record["held"]:
            raise ScriptError(f"a check of the run {name} did not hold")
        self.records[name] = record
        figures = {key: value for key, value in record.items() if key != "chapters"}
        checks = [check for chapter in record["chapters"] for check in chapter["checks"]]
        figures["checks"] = sum(check["held"] for check in checks)
        figures.update((chapter["name"], chapter["figures"]) for chapter in record["chapters"])
        return figures

    def get(self, path):
        value = self.data
        for key in path.split("."):
            try:
                if not isinstance(value, list):
                    value = value[key]
                else:
                    value = len(value) if key == "count" else value[int(key)]
            except (KeyError, IndexError, TypeError, ValueError):
                raise ScriptError(f"no recorded run has the figure {path}") from None
        if value is None:
            raise ScriptError(f"the recorded run has no value for {path}")
        return value

    def fill(self, text):
        """The text with every figure in its place."""
        def write(found):
            path, _, form = found[1].partition(":")
            return written(self.get(path), form)
        return re.sub(r"{([^}]+)}", write, text)

    def require(self, line, expression):
        """Fails unless the expression is true of the recorded runs."""
        compared = re.fullmatch(r"(\S+) (==|>=|<=|<|>) (\S+)", expression)
        if not compared:
            raise ScriptError(f"line {line}: write ? FIGURE == FIGURE, or <, >, <=, >=")
        left, how, right = compared.groups()
        left, right = self._value(left), self._value(right)
        holds = {"==": left == right, ">=": left >= right, "<=": left <= right,
                 "<": left < right, ">": left > right}[how]
        if not holds:
            raise ScriptError(
                f"line {line}: the recorded runs don't bear out {expression}: {left}, {right}")

    def _value(self, word):
        if re.fullmatch(r"-?\d+(\.\d+)?", word):
            return float(word)
        return {"true": True, "false": False}.get(word) if word in ("true", "false") \
            else self.get(word)


def written(value, form=""):
    if form in ("us_ms", "ms_s"):
        return _decimal(value / 1000)
    if form:
        raise ScriptError(f"there is no way of writing {form!r}")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,.0f}"
    return str(value)


def _decimal(value):
    """One decimal, or two digits that count where it is small."""
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _table(text):
    """The table that the simulation and the torture write: figure, value."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \|$", text, re.MULTILINE)
    return {re.sub(r"\W+", "_", name).strip("_"): int(value) for name, value in rows}
