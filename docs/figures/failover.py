"""`failover.svg`: acknowledged creates around the kill of the leader, as columns."""

from canvas import (
    BLUE, FAINT, GREEN, INK, MUTED, RED, Canvas, steps_of_axis, text_width, thousands,
)
from labels import Label, place_in_as_few_rows

WIDTH, HEIGHT = 860.0, 260.0
LEFT, RIGHT = 58.0, 832.0
TOP, BOTTOM = 88.0, 214.0
BIN_MS = 50
BEFORE_MS, AFTER_MS = 600, 900


def draw(trace):
    failover = trace.failover
    gap_from, gap_to = failover.gap
    first = BIN_MS * max(-BEFORE_MS // BIN_MS, _bin(failover.acknowledged_ms[0]) + 1)
    last = BIN_MS * min(_bin(max(gap_to, failover.elected_ms) + AFTER_MS),
                        _bin(failover.acknowledged_ms[-1]))
    first, last = min(first, -BIN_MS), max(last, BIN_MS * (_bin(gap_to) + 1))

    def x(ms):
        return LEFT + (ms - first) / (last - first) * (RIGHT - LEFT)

    counts = _counts(failover.acknowledged_ms, first, last)
    canvas = Canvas(
        WIDTH,
        "Acknowledged creates while the leader is killed",
        f"Columns of {BIN_MS} ms. {failover.killed} is killed at 0 ms, {failover.elected} is "
        f"elected at {failover.elected_ms:.0f} ms; for {failover.gap_ms:.0f} ms nothing is "
        f"acknowledged. {failover.acknowledged} creates were acknowledged, {failover.lost} lost.",
    )
    _title(canvas, failover)
    _scale(canvas, counts, x, first, last)
    _columns(canvas, counts, x, first)
    _gap(canvas, failover, x)
    elected = f"{thousands(failover.elected_ms)} ms: {failover.elected} is elected"
    points = [
        (0.0, f"leader {failover.killed} is killed (kill -9)", RED),
        (failover.elected_ms, elected, BLUE),
        (gap_to, f"{thousands(gap_to)} ms: writes go on", GREEN),
    ]
    for ms, _, colour in points:
        canvas.line(x(ms), TOP - 6, x(ms), BOTTOM, colour, 1.2, "3 2" if ms > 0 else None)
    labels = [Label(x(ms), TOP, text, colour, True) for ms, text, colour in points]
    for placed in place_in_as_few_rows(labels, 8, WIDTH - 8, [(1, 0), (2, 0), (3, 0)]):
        placed.draw(canvas)
    canvas.text(
        RIGHT, HEIGHT - 9,
        f"three servers and their clients on one machine of {trace.cores} cores, "
        f"{trace.build} build, {trace.date}",
        MUTED, "end", size=10.5,
    )
    return canvas.svg(HEIGHT)


def _bin(ms):
    return int(ms // BIN_MS)


def _counts(times, first, last):
    counts = [0] * ((last - first) // BIN_MS)
    for ms in times:
        index = int((ms - first) // BIN_MS)
        if 0 <= index < len(counts):
            counts[index] += 1
    return counts


def _title(canvas, failover):
    text = f"{thousands(failover.acknowledged)} creates acknowledged, {failover.lost} lost"
    canvas.text(16.0, 28.0, text, INK, size=16.0, bold=True)
    beside = 16.0 + text_width(text, 16.0, True) + 14
    canvas.text(beside, 28.0, f"acknowledged creates per {BIN_MS} ms", MUTED)


def _scale(canvas, counts, x, first, last):
    highest = max(counts, default=0) or 1
    for value in steps_of_axis(0, highest, 4):
        y = _y(value, highest)
        canvas.line(LEFT, y, RIGHT, y, FAINT if value else MUTED)
        canvas.text(LEFT - 8, y + 4, thousands(value), MUTED, "end", size=11.0)
    for ms in steps_of_axis(first, last, 8):
        canvas.line(x(ms), BOTTOM, x(ms), BOTTOM + 4, MUTED)
        unit = " ms" if ms == 0 else ""
        canvas.text(x(ms), BOTTOM + 17, f"{ms:,.0f}{unit}", MUTED, "middle", size=11.0)


def _y(value, highest):
    return BOTTOM - (BOTTOM - TOP) * value / highest


def _columns(canvas, counts, x, first):
    highest = max(counts, default=0) or 1
    for index, count in enumerate(counts):
        begin = x(first + index * BIN_MS)
        end = x(first + (index + 1) * BIN_MS)
        y = _y(count, highest)
        if count:
            canvas.rect(begin + 1, y, end - begin - 2, BOTTOM - y, "#7ea6d6")


def _gap(canvas, failover, x):
    begin, end = (x(ms) for ms in failover.gap)
    y = (TOP + BOTTOM) / 2 + 8
    canvas.arrow((begin + end) / 2, y, begin, y, RED, short=0.0)
    canvas.arrow((begin + end) / 2, y, end, y, RED, short=0.0)
    short = f"{thousands(failover.gap_ms)} ms"
    long = f"writes stand still for {short}"
    fits = text_width(long, bold=True) + 12 < end - begin
    canvas.text((begin + end) / 2, y - 8, long if fits else short, RED, "middle", bold=True,
                halo=True)
