"""Finds places for labels, so that none lies on another one, whatever the times are."""

from dataclasses import dataclass

from canvas import text_width

ROW = 15.0
CLEAR = 8.0  # from the point to the nearest edge of the first row


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other, gap=3.0):
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def is_crossed_by(self, segment):
        """Whether a line from point to point goes through (Liang and Barsky's test)."""
        (x1, y1), (x2, y2) = segment
        enter, leave = 0.0, 1.0
        for delta, near, far in (
            (x2 - x1, self.left - x1, self.right - x1),
            (y2 - y1, self.top - y1, self.bottom - y1),
        ):
            if abs(delta) < 1e-9:
                if near > 0 or far < 0:
                    return False
                continue
            first, second = sorted((near / delta, far / delta))
            enter, leave = max(enter, first), min(leave, second)
        return enter < leave


@dataclass(frozen=True)
class Label:
    """A text that belongs to a point."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool = False


@dataclass(frozen=True)
class Placed:
    label: Label
    box: Box
    anchor: str
    row: int
    above: bool

    @property
    def stem(self):
        """A line from the point along the text's side, as a flag has its pole."""
        edge = self.box.top + 3 if self.above else self.box.bottom - 3
        return (self.label.x, self.label.y), (self.label.x, edge)

    @property
    def baseline(self):
        return self.box.bottom - 4.0

    @property
    def text_x(self):
        return self.box.left if self.anchor == "start" else self.box.right

    def draw(self, canvas):
        if self.row > 0:
            (x, y1), (_, y2) = self.stem
            canvas.line(x, y1, x, y2, self.label.colour, 0.8)
        canvas.text(
            self.text_x, self.baseline, self.label.text, self.label.colour, self.anchor,
            bold=self.label.bold, halo=True,
        )


def place(labels, left, right, above, below, boxes=(), lines=()):
    """Places for all labels, with so many rows above and below their points; None if there is
    no way to do it. Boxes are never covered; lines only where it cannot be helped."""
    labels = sorted(labels, key=lambda label: (label.x, label.text))
    choices = []
    for label in labels:
        fitting = [
            (cost + 4.0 * sum(placed.box.is_crossed_by(line) for line in lines), placed)
            for cost, placed in _choices(label, above, below)
            if placed.box.left >= left and placed.box.right <= right
            and not any(placed.box.overlaps(box) for box in boxes)
        ]
        choices.append(sorted(fitting, key=lambda choice: choice[0]))
    best = _search(choices, [], 0.0, None)
    return best[1] if best else None


def place_in_as_few_rows(labels, left, right, rows, boxes=(), lines=()):
    """The same with the first of these pairs of rows, above and below, that is enough."""
    for above, below in rows:
        placed = place(labels, left, right, above, below, boxes, lines)
        if placed is not None:
            return placed
    texts = "; ".join(label.text for label in labels)
    raise ValueError(f"there is no room for these labels: {texts}")


def _choices(label, above, below):
    width = text_width(label.text, bold=label.bold) + 2
    for upwards, rows in ((True, above), (False, below)):
        for row in range(rows):
            near = CLEAR + row * ROW
            top = label.y - near - ROW if upwards else label.y + near
            for cost, anchor, from_x in ((0.0, "start", 3.0), (0.5, "end", -3.0 - width)):
                x = label.x + from_x
                box = Box(x, top, x + width, top + ROW)
                yield cost + row, Placed(label, box, anchor, row, upwards)


def _search(choices, chosen, cost, best):
    if best and cost >= best[0]:
        return best
    if len(chosen) == len(choices):
        return cost, list(chosen)
    for more, placed in choices[len(chosen)]:
        if all(_fit(placed, other) for other in chosen):
            best = _search(choices, [*chosen, placed], cost + more, best)
    return best


def _fit(one, other):
    """Whether both can stay; `one` belongs to the later point."""
    if one.box.top == other.box.top and one.box.left < other.box.left:
        return False  # in a row, earlier stands before later
    return not (
        one.box.overlaps(other.box)
        or one.box.is_crossed_by(other.stem)
        or other.box.is_crossed_by(one.stem)
    )
