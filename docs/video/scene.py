"""Three servers and their clients, moved by a time line that a tour recorded."""

from bisect import bisect_right
from dataclasses import dataclass, replace

from canvas import AMBER, BLUE, EDGE, GREEN, INK, MONO, MUTED, PANEL, RED, TOP, WIDTH
from pace import Pace
from script import ScriptError

BOXES = {0: 40, 1: 450, 2: 860}
BOX_Y, BOX_W, BOX_H = 100, 380, 204
CLIENT_X, CLIENT_Y, CLIENT_W, CLIENT_H = 450, 376, 380, 76
AXIS_Y, AXIS_LEFT, AXIS_RIGHT = 560, 40, 1240
ROLES = {
    "leader": (BLUE, "leader"), "follower": (MUTED, "follower"), "candidate": (AMBER, "candidate"),
    "down": (RED, "down"), "absent": (MUTED, "not started"), "starting": (MUTED, "starting"), "none": (MUTED, "no leader known"),
    "stopped": (RED, "leader without a majority"),
}


@dataclass(frozen=True)
class Server:
    role: str
    term: int | None = None
    cut: bool = False
    said: tuple = ()


@dataclass(frozen=True)
class State:
    """How things stand after a moment of the time line."""
    servers: tuple
    client: str = ""
    heard: int | None = None


class Scene:
    """One time line of a chapter; `number` counts from 1."""

    def __init__(self, record, name, number=1):
        chapters = record["chapters"]
        self.names = record["servers"]
        if len(self.names) != len(BOXES):
            raise ScriptError(f"a scene has {len(BOXES)} servers, the run {len(self.names)}")
        try:
            index = next(i for i, each in enumerate(chapters) if each["name"] == name)
            self.chapter = chapters[index]
            self.moments = self.chapter["timelines"][number - 1]
            self.moments[0]
        except (StopIteration, IndexError):
            raise ScriptError(f"no run has a time line {number} of {name}") from None
        self.figures = self.chapter["figures"]
        self.acknowledged = self.chapter["acknowledged_ms"] if number == 1 else []
        self.begin_ms = -250 if self.acknowledged else min(0, self.moments[0]["ms"])
        last = max(moment["ms"] for moment in self.moments)
        span = last - self.begin_ms
        self.end_ms = last + 0.12 * span
        self.states = [self._before(chapters[:index], number)]
        for moment in self.moments:
            self.states.append(self._after(self.states[-1], moment))
        self.times = [moment["ms"] for moment in self.moments]

    def _before(self, earlier, number):
        """How things stood: as the chapters before tell, or the time line before."""
        if number > 1:
            scene_before = self.chapter["timelines"][number - 2]
            state = self._before(earlier, number - 1)
            for moment in scene_before:
                state = self._after(state, moment)
            return replace(state, client="", heard=None, servers=tuple(
                replace(server, said=()) for server in state.servers))
        leader, term, down = None, None, None
        for chapter in earlier:
            figures = chapter["figures"]
            leader = figures.get("new", figures.get("leader", leader))
            term = figures.get("term", term)
            down = figures.get("old") if chapter["name"] == "leader_killed" else None
        # A server that is started again was down until then.
        if self.moments[0]["event"] == "started":
            down = self.figures["server"]
        if leader is None:
            return State(tuple(Server("absent") for _ in self.names))
        return State(tuple(
            Server("down") if name == down
            else Server("leader" if name == leader else "follower", term)
            for name in self.names
        ))

    def _after(self, state, moment):
        event, who, term = moment["event"], moment["who"], moment["term"]
        servers = list(state.servers)
        if who == "tour":
            struck = self.figures.get("old", self.figures.get("server"))
            for index, name in enumerate(self.names):
                if event != "healed" and struck not in (None, name):
                    continue
                server = servers[index]
                servers[index] = {
                    "kill": replace(server, role="down", said=()),
                    "started": replace(server, role="starting", said=()),
                    "cut": replace(server, cut=True, said=()),
                    "healed": replace(server, cut=False),
                }[event]
            return State(tuple(servers), state.client)
        if who == "client":
            teller = None
            if event == "heard":
                teller = self.names.index(moment["told_by"])
            return State(tuple(servers), moment["what"], teller)
        index = self.names.index(who)
        server = servers[index]
        role = {
            "candidate": "candidate", "elected": "leader", "follows": "follower",
            "leader_gone": "none", "leader_lost": "none", "majority_lost": "stopped", "stepped_down": "follower",
            "listening": "starting", "enlisted": "starting", "forming": "starting",
        }.get(event, "starting" if server.role in ("down", "absent") else server.role)
        if event in ("leader_gone", "leader_lost") and server.role == "candidate":
            role = server.role
        term = term if event in ("candidate", "elected", "follows") and term else server.term
        said = (*server.said, (moment["ms"], moment["what"]))
        servers[index] = replace(server, role=role, term=term, said=said)
        return State(tuple(servers), state.client)

    def begin(self, seconds, sentences):
        moments = [(moment["ms"], moment["event"]) for moment in self.moments]
        self.pace = Pace(self.begin_ms, self.end_ms, seconds, sentences, moments)

    def key(self, t):
        return round(self.pace.at(t), 1)

    def paint(self, canvas, t):
        now = self.pace.at(t)
        at = bisect_right(self.times, now)
        state = self.states[at]
        since = "the cut" if self.moments[0]["event"] == "cut" else {
            "kill": "the kill", "started": "the start", "healed": "the repair",
        }.get(self.moments[0]["event"], "the start")
        canvas.text(WIDTH - 20, 31, f"recorded: {now:+,.0f} ms after {since}", 16, MUTED,
                    anchor="end")
        self._links(canvas, state)
        for index in range(len(self.names)):
            self._server(canvas, index, state.servers[index])
        self._client(canvas, state, now)
        self._axis(canvas, now)

    def _middle(self, index):
        return BOXES[index] + BOX_W / 2

    def _links(self, canvas, state):
        y = TOP + 22
        canvas.line(self._middle(0), y, self._middle(2), y, EDGE, 3)
        for index, server in enumerate(state.servers):
            x = self._middle(index)
            colour = RED if server.cut else EDGE
            canvas.line(x, y, x, BOX_Y, colour, 3, [6, 6] if server.cut else None)
            if server.cut:
                canvas.cross(x, (y + BOX_Y) / 2, 8, RED)
            if server.role == "leader" and not server.cut:
                canvas.arrow(CLIENT_X + CLIENT_W / 2 + (index - 1) * 120, CLIENT_Y,
                             x, BOX_Y + BOX_H, BLUE, 2)
        if state.heard is not None:
            x = self._middle(state.heard) + 40
            canvas.arrow(x, BOX_Y + BOX_H, CLIENT_X + CLIENT_W / 2 + (state.heard - 1) * 120 + 30,
                         CLIENT_Y, GREEN, 3)

    def _server(self, canvas, index, server):
        x = BOXES[index]
        colour, role = ROLES[server.role]
        canvas.rect(x, BOX_Y, BOX_W, BOX_H, PANEL, 10, colour,
                    thick=3 if server.role in ("leader", "candidate", "stopped") else 1.5)
        canvas.text(x + 16, BOX_Y + 34, self.names[index], 26, INK, True)
        term = f", term {server.term}" if server.term and server.role != "down" else ""
        canvas.text(x + BOX_W - 16, BOX_Y + 32, role + term, 18, colour, True, anchor="end")
        if server.role == "down":
            canvas.cross(x + BOX_W / 2, BOX_Y + 112, 30, RED, 6)
            return
        y = BOX_Y + 64
        for lines in self._last(canvas, server.said):
            for line in lines:
                canvas.text(x + 16, y, line, 15, MUTED, font=MONO)
                y += 19
            y += 5

    def _last(self, canvas, said):
        """The last messages of a server, as many as there is room for, as lines."""
        kept, room = [], BOX_H - 64
        for ms, what in reversed(said):
            lines = canvas.wrap(f"{ms:+,} ms  {what}", BOX_W - 32, 15, font=MONO)
            room -= 19 * len(lines) + 5
            if room < 0:
                break
            kept.insert(0, lines)
        return kept

    def _client(self, canvas, state, now):
        canvas.rect(CLIENT_X, CLIENT_Y, CLIENT_W, CLIENT_H, PANEL, 10, GREEN)
        done = bisect_right(self.acknowledged, now)
        many = f"clients: {done:,} creates acknowledged" if self.acknowledged else "clients"
        canvas.text(CLIENT_X + 16, CLIENT_Y + 28, many, 18, INK, True)
        for number, line in enumerate(canvas.wrap(state.client, CLIENT_W - 32, 15, font=MONO)[:2]):
            canvas.text(CLIENT_X + 16, CLIENT_Y + 50 + 18 * number, line, 15, MUTED, font=MONO)

    def _axis(self, canvas, now):
        """The time line, with a tick for each create that was acknowledged so far."""
        def x(ms):
            part = (ms - self.begin_ms) / (self.end_ms - self.begin_ms)
            return AXIS_LEFT + part * (AXIS_RIGHT - AXIS_LEFT)

        canvas.line(AXIS_LEFT, AXIS_Y, AXIS_RIGHT, AXIS_Y, EDGE, 2)
        for ms in _round_steps(self.begin_ms, self.end_ms):
            canvas.line(x(ms), AXIS_Y, x(ms), AXIS_Y + 8, EDGE, 2)
            canvas.text(x(ms), AXIS_Y + 28, f"{ms:,} ms", 15, MUTED, anchor="middle")
        first = bisect_right(self.acknowledged, self.begin_ms)
        for ms in self.acknowledged[first:bisect_right(self.acknowledged, now)]:
            canvas.line(x(ms), AXIS_Y - 34, x(ms), AXIS_Y - 8, GREEN, 1.2, opacity=0.8)
        if self.acknowledged:
            canvas.text(AXIS_LEFT, AXIS_Y - 44, "each stroke: a create that was acknowledged", 15,
                        MUTED)
            self._gap(canvas, now, x)
        for moment in self.moments:
            if moment["ms"] <= now:
                colour = {"tour": RED, "client": GREEN}.get(moment["who"], AMBER)
                canvas.dot(x(moment["ms"]), AXIS_Y, 5, colour)
        canvas.line(x(now), AXIS_Y - 40, x(now), AXIS_Y + 6, INK, 2)

    def _gap(self, canvas, now, x):
        """For how long nothing was acknowledged around the strike."""
        after = [(b - a, a, b) for a, b in zip(self.acknowledged, self.acknowledged[1:]) if b > 0]
        if not after:
            return
        length, begin, end = max(after)
        if begin < now and end <= self.end_ms:
            shown = min(now, end)
            canvas.line(x(begin) + 3, AXIS_Y - 21, x(shown) - 3, AXIS_Y - 21, RED, 2)
            text = f"{int(length):,} ms without an acknowledgement" if now >= end else \
                f"{int(shown - begin):,} ms"
            canvas.text((x(begin) + x(end)) / 2, AXIS_Y - 44, text, 17, RED, True, anchor="middle")


def _round_steps(first, last):
    step = next(step for step in (50, 100, 200, 250, 500, 1000, 2000, 5000, 10**9)
                if (last - first) / step <= 12)
    return range(int(-(-first // step) * step), int(last) + 1, step)
