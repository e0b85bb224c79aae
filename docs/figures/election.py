"""`election.svg`: how the loss of a leader is noticed, and another one elected."""

from canvas import (
    AMBER, BLUE, FAINT, GREEN, INK, LEASE, MUTED, RED, TIME_OUT, Canvas, steps_of_axis, text_width,
    thousands,
)
from labels import Label, place_in_as_few_rows

WIDTH = 760.0
LEFT, RIGHT = 78.0, 744.0
BEFORE_MS, AFTER_MS = 130.0, 170.0
BAR = 15.0
SMALL = 10.5
ROWS = [(1, 0), (1, 1), (2, 1), (2, 2), (3, 3), (5, 5)]
COLOURS = {
    "killed": RED, "leader_gone": MUTED, "leader_lost": MUTED, "candidate": AMBER, "elected": BLUE, "follows": INK,
    "heard": GREEN,
}


class Picture:
    """The time scale, and the lanes with their labels once they have their places."""

    def __init__(self, trace):
        self.failover = trace.failover
        self.gap = self.failover.gap
        shown = [event.ms for event in self.failover.events if event.ms <= self.gap[1] + 400]
        self.first = -BEFORE_MS
        self.last = max([*shown, self.gap[1], self.failover.lease_ms]) + AFTER_MS
        self.events = [
            event for event in self.failover.events if self.first <= event.ms <= self.last
        ]
        others = {event.who for event in self.events} - {"client", self.failover.killed}
        self.lanes = sorted({self.failover.killed, *others}) + ["client"]
        self.y = {}
        self.placed = []
        top = 16.0
        for lane in self.lanes:
            placed = self._labels(lane)
            above = min([-BAR, *(label.box.top for label in placed)])
            least = BAR if lane != "client" else 2 * BAR
            below = max([least, *(label.box.bottom for label in placed)])
            self.y[lane] = top - above
            top += below - above + (10 if lane != "client" else 2)
            self.placed.append((lane, placed))
        self.bottom = top + 18

    def x(self, ms):
        return LEFT + (ms - self.first) / (self.last - self.first) * (RIGHT - LEFT)

    def of(self, lane):
        return [event for event in self.events if event.who == lane]

    def _labels(self, lane):
        """The lane's labels as if it were at height 0."""
        labels = [
            Label(self.x(event.ms), 0.0, _sentence(event, self.failover), _colour(event))
            for event in self.of(lane)
        ]
        rows = [(above, 0) for above, _ in ROWS] if lane == "client" else ROWS
        return place_in_as_few_rows(labels, LEFT - 40, WIDTH - 8, rows)


def draw(trace):
    picture = Picture(trace)
    failover = picture.failover
    canvas = Canvas(
        WIDTH,
        "A failover on a time line",
        " ".join(f"{event.ms:.0f} ms, {event.who}: {event.what}." for event in picture.events)
        + f" No write is acknowledged for {failover.gap_ms:.0f} ms.",
    )
    _axis(canvas, picture)
    for lane in picture.lanes:
        _name(canvas, lane, picture.y[lane])
        if lane == failover.killed:
            _killed_lane(canvas, picture)
        elif lane == "client":
            _client_lane(canvas, picture)
        else:
            _survivor_lane(canvas, picture, lane)
    _tellers(canvas, picture)
    for lane, placed in picture.placed:
        for event in picture.of(lane):
            if event.event == "killed":
                canvas.cross(picture.x(event.ms), picture.y[lane], RED)
            else:
                canvas.dot(picture.x(event.ms), picture.y[lane], _colour(event))
        for label in placed:
            _moved(label, picture.y[lane]).draw(canvas)
    return canvas.svg(picture.bottom + 22)


def _sentence(event, failover):
    short = {
        "killed": "killed with -9",
        "leader_gone": "sees that it is gone",
        "leader_lost": "hears of no leader",
        "candidate": f"stands for election in term {event.term or failover.term}",
        "elected": f"elected, leads in term {event.term or failover.term}",
        "follows": f"follows {event.leader or failover.elected}",
        "heard": "hears who leads",
    }.get(event.event, event.what)
    if len(short) > 40:
        short = short[:39].rstrip() + "…"
    return f"{thousands(event.ms)} ms: {short}"


def _colour(event):
    return COLOURS.get(event.event, INK)


def _moved(placed, y):
    label, box = placed.label, placed.box
    moved = type(box)(box.left, box.top + y, box.right, box.bottom + y)
    return type(placed)(
        Label(label.x, y, label.text, label.colour, label.bold), moved, placed.anchor, placed.row,
        placed.above,
    )


def _name(canvas, lane, y):
    canvas.text(14.0, y + 4.5, "clients" if lane == "client" else lane, INK, bold=True, size=13.0)


def _axis(canvas, picture):
    top, bottom = 8.0, picture.bottom
    for ms in steps_of_axis(picture.first, picture.last, 9):
        canvas.line(picture.x(ms), top, picture.x(ms), bottom - 12, FAINT, 0.8)
        unit = " ms" if ms == 0 else ""
        canvas.text(picture.x(ms), bottom + 4, f"{ms:,.0f}{unit}", MUTED, "middle", size=11.0)
    canvas.text(14.0, bottom + 4, "after the kill", MUTED, size=SMALL)


def _killed_lane(canvas, picture):
    """The leader's line, and the heartbeats that are due after its end and never come."""
    failover, y = picture.failover, picture.y[picture.failover.killed]
    canvas.line(picture.x(picture.first), y, picture.x(0), y, BLUE, 3.4)
    canvas.line(picture.x(0), y, picture.x(picture.last), y, FAINT, 1.2, "2 4")
    moved = [event.ms for event in picture.events if event.event == "candidate" and event.ms > 0]
    until = min([failover.lease_ms, *moved])
    ms = failover.heartbeat_ms
    while ms <= until:
        canvas.dot(picture.x(ms), y, RED, 2.6, hollow=True)
        ms += failover.heartbeat_ms
    begin = picture.x(ms) + 2
    due = f"due every {failover.heartbeat_ms:.0f} ms"
    for said in (f"heartbeats, one {due}: none comes any more", f"no heartbeats, {due}"):
        if begin + text_width(said, SMALL) < WIDTH - 8:
            canvas.text(begin, y + 4, said, MUTED, size=SMALL, halo=True)
            break


def _survivor_lane(canvas, picture, lane):
    failover, y = picture.failover, picture.y[lane]
    x = picture.x
    mine = [event for event in picture.of(lane) if event.ms >= 0]
    moved = [event.ms for event in mine if event.event in ("candidate", "elected", "follows")]
    stood = [event.ms for event in mine if event.event == "candidate"]
    canvas.line(x(picture.first), y, x(picture.last), y, MUTED, 1.2)
    lease = min([failover.lease_ms, *moved])
    bars = [(0.0, lease, LEASE, [f"lease, {failover.lease_ms:.0f} ms: votes for nobody else",
                                 f"lease, {failover.lease_ms:.0f} ms", "lease"])]
    if stood and min(stood) > lease:
        bars.append((lease, min(stood), TIME_OUT, ["random time-out", "time-out"]))
    elif moved and min(moved) > lease:
        bars.append((lease, min(moved), TIME_OUT, ["its own time-out runs", "time-out"]))
    for begin, end, fill, texts in bars:
        canvas.rect(x(begin), y - BAR / 2, x(end) - x(begin), BAR, fill, 2)
        fitting = [text for text in texts if text_width(text, SMALL) + 8 < x(end) - x(begin)]
        if fitting:
            canvas.text((x(begin) + x(end)) / 2, y + 3.7, fitting[0], INK, "middle", size=SMALL)
    leads = [event.ms for event in mine if event.event == "elected"]
    if lane == failover.elected and leads:
        canvas.line(x(max(leads)), y, x(picture.last), y, BLUE, 3.4)


def _client_lane(canvas, picture):
    """A tick for every acknowledged write, and the length of the pause."""
    y, x = picture.y["client"], picture.x
    canvas.line(x(picture.first), y, x(picture.last), y, FAINT, 1.2)
    shown = [ms for ms in picture.failover.acknowledged_ms if picture.first <= ms <= picture.last]
    for tick in sorted({round(x(ms) * 2) / 2 for ms in shown}):
        canvas.line(tick, y - BAR / 2, tick, y + BAR / 2, GREEN, 0.8, opacity=0.75)
    begin, end = (x(ms) for ms in picture.gap)
    canvas.arrow((begin + end) / 2, y, begin, y, RED, short=0.0)
    canvas.arrow((begin + end) / 2, y, end, y, RED, short=0.0)
    text = f"{thousands(picture.failover.gap_ms)} ms without an acknowledged write"
    half = text_width(text, bold=True) / 2
    middle = min(max((begin + end) / 2, LEFT + half), RIGHT - half)
    canvas.text(middle, y + 23, text, RED, "middle", bold=True, halo=True)


def _tellers(canvas, picture):
    """Who told whom: the elected leader the followers, and one of them the client."""
    failover = picture.failover
    leader_y = picture.y[failover.elected]
    told = {failover.elected: failover.elected_ms}
    for event in picture.events:
        if event.event == "follows" and event.ms > failover.elected_ms and event.who in picture.y:
            told.setdefault(event.who, event.ms)
            canvas.arrow(picture.x(failover.elected_ms), leader_y, picture.x(event.ms),
                         picture.y[event.who], BLUE)
    for event in picture.events:
        teller = next((lane for lane in told if f"from {lane} " in event.what), None)
        if event.event == "heard" and teller and told[teller] <= event.ms:
            canvas.arrow(picture.x(told[teller]), picture.y[teller], picture.x(event.ms),
                         picture.y["client"], GREEN)
