"""The way of one create, from the trace of a real one (`quorid demo --trace`)."""

from canvas import AMBER, BLUE, EDGE, GREEN, INK, MONO, MUTED, PANEL, TOP, WIDTH
from pace import Pace

LANES = (150, 262, 374, 486)
LEFT, RIGHT = 200, 1225
WORDS = {
    "sent": "sends the create", "proposed": "puts it into its log", "received": "receives it",
    "synced": "synced to disk", "applied": "applied", "acknowledged": "has the acknowledgement",
}
COLOURS = {"sent": GREEN, "acknowledged": GREEN, "synced": AMBER, "applied": MUTED}


class Write:
    """Steps at their microseconds; arrows where a message must have gone between two of them."""

    def __init__(self, trace):
        write = trace["write"]
        self.leader = write["leader"]
        self.steps = sorted(write["steps"], key=lambda step: step["us"])
        followers = sorted({step["who"] for step in self.steps} - {"client", self.leader})
        self.lanes = dict(zip(["client", self.leader, *followers], LANES, strict=True))
        self.last = max(step["us"] for step in self.steps) * 1.06
        self.note = (
            f"the one of median duration among {write['of']} creates, "
            f"{trace['build']} build, {trace['cores']} cores, {trace['date']}"
        )

    def begin(self, seconds, sentences):
        moments = [(step["us"], step["what"]) for step in self.steps]
        self.pace = Pace(0.0, self.last, seconds, sentences, moments)

    def key(self, t):
        return round(self.pace.at(t), 1)

    def x(self, us):
        return LEFT + us / self.last * (RIGHT - LEFT)

    def paint(self, canvas, t):
        now = self.pace.at(t)
        canvas.text(WIDTH - 20, 31, f"recorded: {now:,.0f} µs after it was sent", 16, MUTED,
                    anchor="end")
        for lane, y in self.lanes.items():
            role = "leader" if lane == self.leader else "follower" if lane != "client" else ""
            canvas.rect(24, y - 26, 150, 52, PANEL, 8, BLUE if lane == self.leader else EDGE)
            canvas.text(40, y + (0 if role else 7), lane, 20, INK, True)
            if role:
                canvas.text(40, y + 19, role, 14, MUTED)
            canvas.line(LEFT, y, RIGHT, y, EDGE, 2)
        self._arrows(canvas, now)
        for step in self.steps:
            if step["us"] <= now:
                self._step(canvas, step)
        x = self.x(now)
        canvas.line(x, TOP + 40, x, LANES[-1] + 44, INK, 1.5, opacity=0.6)
        for us in range(0, int(self.last) + 1, _step_of(self.last)):
            canvas.text(self.x(us), LANES[-1] + 74, f"{us:,} µs", 15, MUTED, anchor="middle")
        canvas.text(24, 612, self.note, 15, MUTED)

    def _step(self, canvas, step):
        what = step["what"]
        colour = COLOURS.get(what, BLUE)
        x, y = self.x(step["us"]), self.lanes[step["who"]]
        canvas.dot(x, y, 6, colour)
        # One above the line, the next below, so that neighbours stay apart; to the right, where no
        # arrow comes from.
        mine = [each for each in self.steps if each["who"] == step["who"]]
        below = mine.index(step) % 2
        if what == "applied" and step["who"] == self.leader:
            below = 2
        if step["who"] == "client":
            below = 0
        text = WORDS.get(what, what)
        width = canvas.width_of(text, 15, font=MONO)
        canvas.text(min(x + 10, RIGHT - width), y + (-12, 26, 44)[below], text, 15,
                    colour if colour != MUTED else INK, font=MONO)

    def _at(self, who, what):
        return next((s["us"] for s in self.steps if (s["who"], s["what"]) == (who, what)), None)

    def _arrows(self, canvas, now):
        pairs = [("client", "sent", self.leader, "proposed"),
                 (self.leader, "applied", "client", "acknowledged")]
        pairs += [(self.leader, "proposed", lane, "received")
                  for lane in self.lanes if lane not in ("client", self.leader)]
        for who, what, other, then in pairs:
            begin, end = self._at(who, what), self._at(other, then)
            if None not in (begin, end) and begin <= end <= now:
                canvas.arrow(self.x(begin), self.lanes[who], self.x(end), self.lanes[other],
                             GREEN if "client" in (who, other) else BLUE, 2)


def _step_of(last):
    return next(step for step in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 10**9)
                if last / step <= 12)
