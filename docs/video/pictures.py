"""What the pictures of the script are: kinds, their words, and the recordings that they need.

    title                            points: the name, and what stands below
    slide                            points, one after the other; HEAD | TEXT
    table                            points, NAME | FIGURE
    terminal RECORDING [CHAPTER] ['from PATTERN'] ['to PATTERN']
                                     lines of a recorded terminal; points `from` and `to` are patterns
    scene RECORDING CHAPTER [N]      servers and clients by the chapter's Nth time line
    write trace                      the way of a create
    pairs peers                      two programs in turns; points below them
"""

import re

from recording import RECORDINGS
from scene import Scene
from script import ScriptError
from slide import Pairs, Slide, Table, Title
from terminal import Cast, Terminal
from write import Write

KINDS = {"title", "slide", "table", "terminal", "scene", "write", "pairs"}


def recordings_of(cue):
    """Names of the recordings that its picture needs."""
    if cue.kind not in KINDS:
        raise ScriptError(f"line {cue.line}: there is no picture {cue.kind}")
    if cue.kind in ("title", "slide", "table"):
        return []
    if not cue.words or cue.words[0] not in RECORDINGS:
        raise ScriptError(f"line {cue.line}: which recording?")
    return cue.words[:1]


class Pictures:
    """Makes the pictures of a script out of recordings."""

    def __init__(self, directory, figures):
        self.directory = directory
        self.figures = figures
        self.casts = {}
        # Where the last picture of a recording ended.
        self.ended = {}

    def make(self, cue):
        try:
            return self._make(cue)
        except ScriptError as error:
            raise ScriptError(f"line {cue.line}: {error}") from error

    def _make(self, cue):
        points = [self.figures.fill(point) for point in cue.points]
        match cue.kind:
            case "title":
                return Title(points)
            case "slide":
                return Slide(points)
            case "table":
                return Table(points)
            case "terminal":
                return self._terminal(cue.words, points)
            case "scene":
                recording, chapter, *number = cue.words
                record = self.figures.records[recording]
                return Scene(record, chapter, *map(int, number))
            case "write":
                return Write(self.figures.data[cue.words[0]])
            case "pairs":
                return Pairs(self.figures.data[cue.words[0]]["cells"][0], points)
        raise ScriptError(f"there is no picture {cue.kind}")

    def _terminal(self, words, points):
        name, *chapter = words
        if name not in self.casts:
            self.casts[name] = Cast(self.directory / RECORDINGS[name].cast)
        cast = self.casts[name]
        begin, bound = 0, len(cast.steps) - 1
        if chapter:
            begin, bound = self._chapter(cast, name, chapter[0])
        patterns = dict(point.split(" ", 1) for point in points)
        if not patterns.keys() <= {"from", "to"}:
            raise ScriptError("a terminal's points are `from PATTERN` and `to PATTERN`")
        key = (name, *chapter)
        first = max(begin, self.ended.get(key, -1) + 1)
        if "from" in patterns:
            first = cast.find(patterns["from"], begin)
        last = cast.find(patterns["to"], first) if "to" in patterns else bound
        if not first <= last <= bound:
            raise ScriptError(f"lines {first} to {last} aren't within {begin} to {bound}")
        self.ended[key] = last
        return Terminal(cast, first, last, RECORDINGS[name].what)

    def _chapter(self, cast, name, chapter):
        """From a chapter's title to the line before the next one's."""
        titles = [each["title"] for each in self.figures.records[name]["chapters"]]
        names = [each["name"] for each in self.figures.records[name]["chapters"]]
        if chapter not in names:
            raise ScriptError(f"the run {name} has no chapter {chapter}")
        index = names.index(chapter)
        begin = cast.find(rf"^\d+  {re.escape(titles[index])}$")
        if index + 1 < len(titles):
            end = cast.find(rf"^\d+  {re.escape(titles[index + 1])}$", begin) - 1
        else:
            end = cast.find("^Summary, ", begin) - 1
        while end > begin and not cast.steps[end].text.strip():
            end -= 1
        return begin, end
