"""Reads the script: chapters, the pictures in them, and the sentences that are spoken.

    == NAME · TITLE        a chapter begins
    @ KIND WORDS..         a picture, until the next one; what KINDs there are is in pictures.py
    - TEXT                 a line that belongs to the picture, such as a point of a slide
    ^ PATTERN              from the next sentence on, lines of the terminal that match are marked
    ? EXPRESSION           what must be so in the recorded runs for the next sentences to be true
    <EVENT> SENTENCE       a sentence at whose beginning the picture has got to that event; of several
                           to the first that is still to come, with <EVENT:last> to the last
    SENTENCE               spoken, and shown as a caption
    // TEXT                a remark

Figures of the recorded runs stand in braces: {hosts.leader_killed.pause_ms}. Behind a colon is how
they are written: `us_ms` for microseconds as milliseconds, `ms_s` for milliseconds as seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


class ScriptError(Exception):
    """What is wrong with the script, with its line."""


@dataclass
class Sentence:
    text: str
    line: int
    event: str | None = None
    mark: str | None = None


@dataclass
class Cue:
    """A picture and what is said to it."""
    kind: str
    words: list
    line: int
    points: list = field(default_factory=list)
    sentences: list = field(default_factory=list)


@dataclass
class Chapter:
    name: str
    title: str
    cues: list = field(default_factory=list)
    needs: list = field(default_factory=list)


def read(path):
    chapters = []
    mark = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("//"):
            continue
        head, _, rest = line.partition(" ")
        if head == "==":
            name, parted, title = rest.partition(" · ")
            if not parted:
                raise ScriptError(f"line {number}: write == NAME · TITLE")
            chapters.append(Chapter(name.strip(), title.strip()))
            continue
        if not chapters:
            raise ScriptError(f"line {number}: the first chapter hasn't begun")
        chapter = chapters[-1]
        if head == "?":
            chapter.needs.append((number, rest))
        elif head == "@":
            kind, *words = rest.split()
            chapter.cues.append(Cue(kind, words, number))
            mark = None
        elif not chapter.cues:
            raise ScriptError(f"line {number}: the chapter has no picture yet")
        elif head == "-":
            chapter.cues[-1].points.append(rest)
        elif head == "^":
            mark = rest
        else:
            found = re.fullmatch(r"(?:<(\w+(?::last)?)> )?(.+)", line)
            chapter.cues[-1].sentences.append(Sentence(found[2], number, found[1], mark))
    for chapter in chapters:
        for cue in chapter.cues:
            if not cue.sentences:
                raise ScriptError(f"line {cue.line}: nothing is said to this picture")
    return chapters


def placeholders(chapters):
    """Every figure that is named, as (line, path)."""
    for chapter in chapters:
        for line, need in chapter.needs:
            for path in re.findall(r"\b[a-z]\w*(?:\.\w+)+", need):
                yield line, path
        for cue in chapter.cues:
            texts = [(cue.line, point) for point in cue.points]
            texts += [(said.line, f"{said.text} {said.mark or ''}") for said in cue.sentences]
            for line, text in texts:
                for path in re.findall(r"{([^}:]+)", text):
                    yield line, path
