"""`write.svg`: the way of one create through the cluster."""

from canvas import (
    AMBER, BLUE, FAINT, GREEN, INK, MUTED, SYNC, VIOLET, Canvas, steps_of_axis, text_width,
    thousands,
)
from labels import Box, Label, place

WIDTH = 760.0
LEFT, RIGHT = 104.0, 728.0
TOP = 56.0
BAR = 11.0
FAR = 1.7  # what takes so many times as long as the acknowledgement is off the scale
SPACINGS = [(58, 1, 1), (72, 2, 1), (88, 2, 2), (124, 3, 3)]
COLOURS = {
    "sent": INK, "proposed": BLUE, "received": MUTED, "synced": AMBER, "applied": VIOLET,
    "acknowledged": GREEN,
}


class Picture:
    """Where everything is, at one distance of the lanes."""

    def __init__(self, write, spacing):
        self.write = write
        self.lanes = ["client", write.leader, *write.followers]
        self.y = {lane: TOP + index * spacing for index, lane in enumerate(self.lanes)}
        self.bottom = TOP + (len(self.lanes) - 1) * spacing + 34
        self.acknowledged = write.at("client", "acknowledged")
        self.majority_us = write.synced[write.majority - 1][0]
        near = [step.us for step in write.steps if step.us <= FAR * self.acknowledged]
        self.last = max(near) * 1.06
        self.steps = [step for step in write.steps if step.us <= self.last]
        self.later = [step for step in write.steps if step.us > self.last]

    def x(self, us):
        return LEFT + us / self.last * (RIGHT - LEFT)

    def point(self, who, us):
        return self.x(us), self.y[who]

    def arrows(self):
        """From, to, colour, dashed: what the steps tell of messages."""
        write, leader = self.write, self.write.leader
        proposed = write.at(leader, "proposed")
        arrows = [(("client", 0.0), (leader, proposed), INK, None)]
        for follower in write.followers:
            received = write.at(follower, "received")
            if received is not None:
                arrows.append(((leader, proposed), (follower, received), INK, None))
        applied = write.at(leader, "applied")
        if applied is not None:
            counted = [synced for synced in write.synced[: write.majority] if synced[1] != leader]
            for us, follower in counted:
                if us < applied:
                    arrows.append(((follower, us), (leader, applied), AMBER, None))
            arrows.append(((leader, applied), ("client", self.acknowledged), GREEN, None))
        return [arrow for arrow in arrows if max(arrow[0][1], arrow[1][1]) <= self.last]

    def labels(self):
        """Every lane's labels, or None where there is no room for them."""
        lines = [(self.point(*begin), self.point(*end)) for begin, end, *_ in self.arrows()]
        lines.append(((self.x(self.majority_us), 0.0), (self.x(self.majority_us), self.bottom)))
        header = Box(0, 0, WIDTH, 24)
        all_placed = []
        for index, lane in enumerate(self.lanes):
            _, above, below = self.rows
            labels = [
                Label(*self.point(lane, step.us), f"{step.what} {thousands(step.us)}",
                      COLOURS.get(step.what, INK))
                for step in self.steps if step.who == lane
            ]
            if lane == "client":
                above, below = 2, 0
            elif index == len(self.lanes) - 1:
                below = 1
            taken = [header, *(placed.box for placed in all_placed), *self.later_boxes()]
            placed = place(labels, LEFT - 30, WIDTH - 8, above, below, taken, lines)
            if placed is None:
                return None
            all_placed += placed
        return all_placed

    def later_boxes(self):
        return [box for _, box in self.later_texts()]

    def later_texts(self):
        """What happened beyond the right edge, written at it."""
        texts = {}
        for step in sorted(self.later, key=lambda step: step.us):
            texts.setdefault(step.who, []).append(f"{step.what} {thousands(step.us)}")
        for who, parts in texts.items():
            text = ", ".join(parts) + " →"
            right, y = WIDTH - 12, self.y[who] + 20
            yield text, Box(right - text_width(text), y - 11, right, y + 4)


def draw(trace):
    write = trace.write
    for rows in SPACINGS:
        picture = Picture(write, rows[0])
        picture.rows = rows
        placed = picture.labels()
        if placed is not None:
            break
    else:
        raise ValueError("there is no room for the labels of write.steps")
    canvas = Canvas(
        WIDTH,
        "The way of one create",
        " ".join(f"{thousands(step.us)} µs, {step.who}: {step.what}." for step in write.steps)
        + f" A majority has it on disk at {thousands(picture.majority_us)} µs.",
    )
    _axis(canvas, picture)
    _lanes(canvas, picture)
    _majority(canvas, picture)
    for (who, us), (whom, then), colour, dash in picture.arrows():
        canvas.arrow(*picture.point(who, us), *picture.point(whom, then), colour, 1.3, dash)
    for step in picture.steps:
        canvas.dot(*picture.point(step.who, step.us), COLOURS.get(step.what, INK))
    for label in placed:
        label.draw(canvas)
    for text, box in picture.later_texts():
        canvas.text(box.right, box.bottom - 4, text, VIOLET, "end", halo=True)
    canvas.text(
        WIDTH - 12, picture.bottom + 28,
        f"revision {thousands(write.revision)}; median of {thousands(write.of)} such creates: "
        f"{thousands(write.median_us)} µs",
        MUTED, "end", size=10.5,
    )
    return canvas.svg(picture.bottom + 38)


def _axis(canvas, picture):
    for us in steps_of_axis(0, picture.last, 9):
        canvas.line(picture.x(us), 34, picture.x(us), picture.bottom - 8, FAINT, 0.8)
        unit = " µs" if us == 0 else ""
        canvas.text(picture.x(us), picture.bottom + 8, f"{us:,.0f}{unit}", MUTED, "middle",
                    size=11.0)


def _lanes(canvas, picture):
    write = picture.write
    for lane in picture.lanes:
        y = picture.y[lane]
        role = "leader" if lane == write.leader else "follower" if lane != "client" else ""
        canvas.text(14.0, y + (0 if role else 4.5), lane, INK, bold=True, size=13.0)
        if role:
            canvas.text(14.0, y + 13, role, MUTED, size=11.0)
        canvas.line(picture.x(0) - 14, y, WIDTH - 12, y, MUTED, 1.0)
        begin = write.at(lane, "proposed" if lane == write.leader else "received")
        end = write.at(lane, "synced")
        if begin is not None and end is not None and end <= picture.last:
            width = picture.x(end) - picture.x(begin)
            canvas.rect(picture.x(begin), y - BAR / 2, width, BAR, SYNC, 2)


def _majority(canvas, picture):
    x = picture.x(picture.majority_us)
    canvas.line(x, 27, x, picture.bottom - 8, AMBER, 1.5, "5 3")
    text = f"{thousands(picture.majority_us)} µs: on the disks of a majority"
    half = text_width(text, bold=True) / 2
    canvas.text(min(max(x, half + 10), WIDTH - half - 10), 20.0, text, AMBER, "middle", bold=True)
