"""Pictures without a recording of their own: a title, points, columns of a comparison."""

from canvas import AMBER, BLUE, EDGE, GREEN, INK, MUTED, PANEL, WIDTH

SIZE, ROOM = 25, 1130


class Title:
    """The first point large, the others below."""

    def __init__(self, points):
        self.points = points

    def begin(self, seconds, sentences):
        pass

    def key(self, t):
        return None

    def paint(self, canvas, t):
        first, *others = self.points
        canvas.text(WIDTH / 2, 286, first, 84, INK, True, anchor="middle")
        canvas.rect(WIDTH / 2 - 60, 316, 120, 5, BLUE, 2)
        for number, text in enumerate(others):
            canvas.text(WIDTH / 2, 378 + 42 * number, text, 26, MUTED, anchor="middle")


class Slide:
    """Points that come one after the other, with the sentences."""

    def __init__(self, points):
        self.points = points

    def begin(self, seconds, sentences):
        count, said = len(self.points), len(sentences)
        self.at = [sentences[number * said // count][0] for number in range(count)]
        self.at[0] = 0.0

    def key(self, t):
        return sum(at <= t for at in self.at)

    def paint(self, canvas, t):
        y = 118
        for number, point in enumerate(self.points[:self.key(t)]):
            head, parted, rest = point.partition(" | ")
            last = number == self.key(t) - 1
            canvas.rect(64, y - 15, 8, 8, BLUE if last else EDGE, 2)
            if parted:
                canvas.text(92, y, head, SIZE, AMBER if last else INK, True)
                y += 36
            for line in canvas.wrap(rest if parted else head, ROOM, SIZE):
                canvas.text(92, y, line, SIZE, INK if last else MUTED)
                y += 34
            y += 20


class Pairs:
    """What two programs came to, in turns: two columns a round, and the medians."""

    def __init__(self, pairs, points):
        self.pairs = pairs
        self.note = " ".join(points)

    def begin(self, seconds, sentences):
        count = len(self.pairs["rounds"])
        self.at = [0.15 + 0.5 * seconds * number / count for number in range(count)]

    def key(self, t):
        return sum(at <= t for at in self.at)

    def paint(self, canvas, t):
        pairs = self.pairs
        colours = (BLUE, MUTED)
        highest = max(max(both) for both in pairs["rounds"])
        top, bottom, left, right = 150, 510, 90, 1240
        for number, (name, median) in enumerate(zip(pairs["names"], pairs["medians"])):
            x = 90 + 420 * number
            canvas.rect(x, 76, 20, 20, colours[number], 3)
            canvas.text(x + 32, 94, f"{name}: {median:,} creates/s in the median", 20, INK, True)
        canvas.line(left, bottom, right, bottom, EDGE, 2)
        slot = (right - left) / len(pairs["rounds"])
        for number, both in enumerate(pairs["rounds"][:self.key(t)]):
            for which, value in enumerate(both):
                height = (bottom - top) * value / highest
                x = left + slot * number + slot * (0.14 + 0.38 * which)
                canvas.rect(x, bottom - height, slot * 0.34, height, colours[which], 4)
                canvas.text(x + slot * 0.17, bottom - height - 10, f"{value:,}", 17, INK,
                            anchor="middle")
            canvas.text(left + slot * (number + 0.5), bottom + 30, f"round {number + 1}", 17, MUTED,
                        anchor="middle")
        for number, line in enumerate(canvas.wrap(self.note, right - left, 17)[:2]):
            canvas.text(90, 580 + 24 * number, line, 17, MUTED)


class Table:
    """Names and figures, one below the other, with the sentences."""

    def __init__(self, points):
        self.points = [point.split(" | ") for point in points]

    def begin(self, seconds, sentences):
        count, said = len(self.points), len(sentences)
        self.at = [sentences[number * said // count][0] for number in range(count)]
        self.at[0] = 0.0

    def key(self, t):
        return sum(at <= t for at in self.at)

    def paint(self, canvas, t):
        for number, (name, figure) in enumerate(self.points[:self.key(t)]):
            y = 96 + 66 * number
            canvas.rect(64, y - 8, WIDTH - 128, 56, PANEL, 8)
            canvas.text(88, y + 29, name, 23, INK)
            canvas.text(WIDTH - 88, y + 29, figure, 25, GREEN, True, anchor="end")
