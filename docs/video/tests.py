#!/usr/bin/env python3
"""Tests of what makes the video, as far as nothing needs to be installed for them."""

import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import check  # noqa: E402
import pace  # noqa: E402
import recording  # noqa: E402
import script  # noqa: E402
from figures import Figures, written  # noqa: E402


def figures_of(data):
    figures = Figures(HERE, [])
    figures.data = data
    return figures


def read(text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return script.read(Path(file.name))


class TheScript(unittest.TestCase):
    def test_a_sentence_has_its_event_and_what_is_marked(self):
        chapters = read("== a · A\n@ scene hosts x\n? hosts.x.lost == 0\n^ ok\n<kill> One.\nTwo.\n")
        cue = chapters[0].cues[0]
        self.assertEqual((cue.kind, cue.words), ("scene", ["hosts", "x"]))
        self.assertEqual([(said.text, said.event, said.mark) for said in cue.sentences],
                         [("One.", "kill", "ok"), ("Two.", None, "ok")])
        self.assertEqual(chapters[0].needs, [(3, "hosts.x.lost == 0")])

    def test_what_belongs_nowhere_is_refused_with_its_line(self):
        for text in ("Nothing has begun.", "== without a title", "== a · A\nNo picture yet.",
                     "== a · A\n@ slide\n- nothing is said"):
            with self.assertRaisesRegex(script.ScriptError, "line|picture"):
                read(text)

    def test_the_films_own_script_names_runs_that_are_recorded(self):
        chapters = script.read(HERE / "script.txt")
        for line, path in script.placeholders(chapters):
            self.assertIn(path.split(".")[0], recording.RECORDINGS, f"line {line}")

    def test_no_measured_figure_stands_in_the_films_own_script(self):
        units = r"(ms|µs|s|milliseconds?|seconds?|creates?|accounts?|failovers?|answers?|entries)\b"
        for chapter in script.read(HERE / "script.txt"):
            for cue in chapter.cues:
                # A terminal's points are patterns.
                points = cue.points if cue.kind != "terminal" else []
                for text in [*points, *(said.text for said in cue.sentences)]:
                    self.assertIsNone(re.search(rf"\d[\d.,]* {units}", text), text)


class TheFigures(unittest.TestCase):
    def test_a_figure_that_no_run_has_is_an_error(self):
        figures = figures_of({"hosts": {"pause_ms": None, "rounds": [[1, 2]]}})
        self.assertEqual(figures.get("hosts.rounds.0.1"), 2)
        self.assertEqual(figures.get("hosts.rounds.count"), 1)
        for path in ("hosts.lost", "hosts.pause_ms", "docker.lost", "hosts.rounds.7"):
            with self.assertRaises(script.ScriptError):
                figures.get(path)

    def test_a_sentence_whose_condition_the_runs_do_not_meet_is_an_error(self):
        figures = figures_of({"hosts": {"lost": 1, "equal": False, "from": 3, "to": 4}})
        figures.require(1, "hosts.lost == 1")
        figures.require(1, "hosts.from < hosts.to")
        for needed in ("hosts.lost == 0", "hosts.equal == true", "hosts.to <= hosts.from", "so"):
            with self.assertRaises(script.ScriptError):
                figures.require(1, needed)

    def test_figures_are_written_as_they_are_read_aloud(self):
        table = [(1262, "", "1,262"), (0, "", "0"), (1816.47, "us_ms", "1.8"),
                 (586.064, "us_ms", "0.59"), (0.0, "us_ms", "0"), (7481, "ms_s", "7.5"),
                 ("s2", "", "s2")]
        for value, form, expected in table:
            self.assertEqual(written(value, form), expected)
        with self.assertRaises(script.ScriptError):
            written(1, "miles")


class ThePace(unittest.TestCase):
    MOMENTS = [(0, "kill"), (700, "candidate"), (720, "elected"), (710, "heard")]

    def test_an_event_is_reached_when_its_sentence_begins(self):
        sentences = [(1.0, "kill", None), (4.0, "candidate", None), (6.0, None, None)]
        made = pace.Pace(-250, 800, 10.0, sentences, self.MOMENTS)
        self.assertEqual([made.at(t) for t in (0.0, 1.0, 2.5, 4.0, 10.0)],
                         [-250, 0, 350, 700, 800])

    def test_time_never_goes_back_for_an_event_that_came_earlier(self):
        sentences = [(1.0, "elected", None), (2.0, "heard", None)]
        made = pace.Pace(0, 800, 4.0, sentences, self.MOMENTS)
        self.assertEqual(made.at(2.0), 720)

    def test_the_last_of_several_events_is_reached_where_it_is_meant(self):
        moments = [*self.MOMENTS, (760, "elected")]
        for event, expected in (("elected", 720), ("elected:last", 760)):
            made = pace.Pace(0, 800, 4.0, [(1.0, event, None)], moments)
            self.assertEqual(made.at(1.0), expected)

    def test_an_event_that_never_came_is_an_error(self):
        with self.assertRaises(script.ScriptError):
            pace.Pace(0, 1, 1.0, [(0.5, "healed", None)], self.MOMENTS)


class TheCheck(unittest.TestCase):
    def test_words_are_counted_that_were_heard_otherwise(self):
        table = [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b", "a x b", 1), ("a b", "", 2)]
        for wanted, heard, expected in table:
            self.assertEqual(check.edits(wanted.split(), heard.split()), expected)

    def test_a_caption_is_mistaken_where_anothers_words_are_heard(self):
        wanted = [text.split() for text in (
            "the old leader steps down", "all three states are equal now", "the network is back")]
        misheard = [text.split() for text in (
            "the cold reader steps down", "all the states are evil now", "a net work is back")]
        self.assertEqual(check.mistaken_for_others(wanted, misheard), [])
        self.assertEqual(check.mistaken_for_others(wanted, misheard[1::-1] + misheard[2:]), [1, 2])


if __name__ == "__main__":
    unittest.main()
