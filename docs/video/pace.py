"""Which moment of a recorded time line is seen when: evenly from one spoken event to the next."""

from script import ScriptError

# The end of the time line stays for so long, s.
REST = 0.8


class Pace:
    """From `first` to `last` of the time line in a number of seconds.

    `moments` are the time line's events as (when, name); sentences are (begin, event, mark), and an
    event that they name is reached at their beginning.
    """

    def __init__(self, first, last, seconds, sentences, moments):
        self.anchors = [(0.0, first)]
        for begin, event, _ in sentences:
            if event:
                self.anchors.append((begin, _reached(event, self.anchors[-1][1], moments)))
        self.anchors.append((max(seconds - REST, self.anchors[-1][0] + 0.1), last))

    def at(self, t):
        before = self.anchors[0]
        for anchor in self.anchors[1:]:
            if t < anchor[0]:
                part = (t - before[0]) / (anchor[0] - before[0])
                return before[1] + part * (anchor[1] - before[1])
            before = anchor
        return before[1]


def _reached(event, since, moments):
    """When the event came; what came earlier than the one spoken of before is reached by then."""
    event, _, which = event.partition(":")
    times = [when for when, name in moments if name == event]
    if not times:
        raise ScriptError(f"the recorded run has no event {event}")
    if which == "last":
        return max(since, max(times))
    return min((when for when in times if when >= since), default=since)
