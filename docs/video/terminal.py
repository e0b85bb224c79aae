"""A recorded terminal: what its screen showed when, and how it is painted."""

import json
import re
from dataclasses import dataclass

import pyte
from canvas import AMBER, BOTTOM, EDGE, INK, MONO, MUTED, TOP, WIDTH
from recording import COLUMNS, ROWS
from script import ScriptError

SIZE, ROW, LEFT = 20, 23.4, 16
COLOURS = {"green": "#4cc38a", "red": "#ff6b64", "yellow": "#f0b429", "brown": "#f0b429",
           "blue": "#58a6ff", "cyan": "#56c8d8", "magenta": "#c792ea", "default": INK}
# A pause in the recording is shown for so long at most, s.
IDLE_MAX = 0.8
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Step:
    """A line of output: when it came, its text, and the screen behind it."""
    at: float
    text: str
    rows: tuple


class Cast:
    """A recording of asciinema, version 2, line by line."""

    def __init__(self, path):
        self.path = path
        head, *events = path.read_text(encoding="utf-8").splitlines()
        head = json.loads(head)
        if (head["width"], head["height"]) != (COLUMNS, ROWS):
            raise ScriptError(f"{path} isn't of {COLUMNS} columns and {ROWS} rows")
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.Stream(screen)
        self.steps = []
        open_line = ""
        for event in events:
            at, kind, data = json.loads(event)
            if kind != "o":
                continue
            for piece in re.findall(r"[^\n]*\n|[^\n]+", data):
                stream.feed(piece)
                open_line += piece
                # A progress bar overwrites itself; what came last is the line.
                text = ESCAPES.sub("", open_line).rstrip().rpartition("\r")[2]
                self.steps.append(Step(at, text, _rows(screen)))
                if piece.endswith("\n"):
                    open_line = ""

    def find(self, pattern, begin=0):
        """The number of the first line from `begin` on in which the pattern is found."""
        for number in range(begin, len(self.steps)):
            if re.search(pattern, self.steps[number].text):
                return number
        raise ScriptError(f"{self.path}: no line has {pattern!r} behind line {begin}")


def _rows(screen):
    """Each row as runs of (column, text, colour, bold)."""
    rows = []
    for y in range(ROWS):
        runs = []
        line = screen.buffer[y]
        for x in range(COLUMNS):
            cell = line[x]
            if runs and runs[-1][2:] == (cell.fg, cell.bold):
                runs[-1] = (runs[-1][0], runs[-1][1] + cell.data, cell.fg, cell.bold)
            else:
                runs.append((x, cell.data, cell.fg, cell.bold))
        kept = tuple(run for run in runs if run[1].strip())
        rows.append(kept)
    return tuple(rows)


class Terminal:
    """Some lines of a recording, played within the length of a cue."""

    # A line that comes together with others is shown for so long before the next one, s.
    line_min = 0.07

    def __init__(self, cast, first, last, what):
        self.cast, self.first, self.last, self.what = cast, first, last, what
        # What is on the screen when the picture begins is seen too.
        for step in cast.steps[max(first - ROWS, 0):last + 1]:
            if len(step.text) > COLUMNS:
                raise ScriptError(f"{cast.path}: a line wraps: {step.text}")
        self.shown = []
        self.marks = []

    def begin(self, seconds, sentences):
        """Spreads the lines over the cue; sentences are (begin, end, mark)."""
        steps = self.cast.steps
        at, before = 0.0, steps[self.first].at
        for number in range(self.first, self.last + 1):
            step = steps[number]
            if number > self.first:
                at += max(self.line_min, min(step.at - before, IDLE_MAX))
            before = step.at
            self.shown.append((at, number))
        most = max(seconds - 2.5, 0.6 * seconds)
        if at > most:
            self.shown = [(when * most / at, number) for when, number in self.shown]
        self.marks = [(begin, mark) for begin, _, mark in sentences if mark]

    def _now(self, t):
        number = self.first
        for at, which in self.shown:
            if at > t:
                break
            number = which
        mark = None
        for begin, pattern in self.marks:
            if begin <= t:
                mark = pattern
        return number, mark

    def key(self, t):
        return self._now(t)

    def paint(self, canvas, t):
        number, mark = self._now(t)
        step = self.cast.steps[number]
        minutes, seconds = divmod(step.at, 60)
        clock = f"{self.what} · recorded, at {int(minutes)}:{seconds:04.1f}"
        canvas.text(WIDTH - 20, 31, clock, 16, MUTED, anchor="end")
        canvas.rect(8, TOP + 2, WIDTH - 16, BOTTOM - TOP - 4, "#0a1018", 6, EDGE)
        for y, runs in enumerate(step.rows):
            base = TOP + 8 + (y + 0.76) * ROW
            if mark and runs:
                text = "".join(text for _, text, _, _ in runs)
                if re.search(mark, text):
                    canvas.rect(12, TOP + 7 + y * ROW, WIDTH - 24, ROW, AMBER, 3, opacity=0.22)
                    canvas.rect(12, TOP + 7 + y * ROW, 4, ROW, AMBER)
            for x, text, colour, bold in runs:
                canvas.text(LEFT + 12.0 * x, base, text, SIZE, COLOURS.get(colour, INK), bold, MONO)
