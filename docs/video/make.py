#!/usr/bin/env python3
"""Makes the demonstration video out of runs of this moment: docs/video/quorid.mp4.

    make.py                    records all runs, speaks, draws, cuts, and checks what came of it
    make.py --chapter NAME     a short cut of one chapter: target/video/NAME.mp4
    make.py --again            the same from the recordings that the last call made
    make.py --can [..]         installs what it needs from the package index, says whether this
                               machine can make it, and makes nothing

The Debian packages that it needs are in packages.txt, the Python packages in requirements.txt; the
first call installs the latter into target/video/venv. It ends with 1 if a run fails, if the script
says something that the runs don't bear out, or if the check of the film finds a fault; with 77, and
the reason, if it can't be made on this machine.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(1, str(HERE))
import environment  # noqa: E402

COMMANDS = {"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "fc-match": "fontconfig"}
FONTS = {"JetBrains Mono": "fonts-jetbrains-mono", "Inter": "fonts-inter"}
# How long a chapter alone may be, s.
CHAPTER_SECONDS = (1, 180)


def main():
    arguments = parse()
    obstacles = missing()
    if obstacles:
        environment.fail("this machine can't make the video: it lacks " + ", ".join(obstacles),
                         "apt-get install $(cat docs/video/packages.txt)", code=77)
    work = environment.target() / "video"
    work.mkdir(parents=True, exist_ok=True)
    environment.enter(work / "venv", HERE / "requirements.txt", (3, 11))

    import recording  # noqa: PLC0415 (these need what was installed)
    import script  # noqa: PLC0415

    try:
        make(arguments, work)
    except (script.ScriptError, recording.RecordingError, OSError, ValueError,
            subprocess.CalledProcessError) as error:
        environment.fail(str(error))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", help="only this one, as a film of its own")
    parser.add_argument("--again", action="store_true", help="from the last call's recordings")
    parser.add_argument("--can", action="store_true", help="only say whether it can be made here")
    return parser.parse_args()


def missing():
    """Debian packages that aren't there."""
    lacking = {package for command, package in COMMANDS.items() if not shutil.which(command)}
    if "fontconfig" not in lacking:
        for font, package in FONTS.items():
            found = subprocess.run(["fc-match", "--format=%{family}", font], check=False,
                                   capture_output=True, text=True).stdout
            if font not in found:
                lacking.add(package)
    try:
        import ctypes  # noqa: PLC0415
        ctypes.CDLL("libcairo.so.2")
    except OSError:
        lacking.add("libcairo2")
    return sorted(lacking)


def make(arguments, work):
    import check  # noqa: PLC0415
    import figures  # noqa: PLC0415
    import film  # noqa: PLC0415
    import publish  # noqa: PLC0415
    import recording  # noqa: PLC0415
    import script  # noqa: PLC0415

    began = time.monotonic()
    chapters = script.read(HERE / "script.txt")
    whole = arguments.chapter is None
    if not whole:
        chapters = [chapter for chapter in chapters if chapter.name == arguments.chapter]
        if not chapters:
            raise script.ScriptError(f"there is no chapter {arguments.chapter}")
    recordings = needed(chapters)
    # A chapter alone doesn't touch what the whole film was made of.
    directory = work / ("recordings" if whole else f"recordings-{arguments.chapter}")
    if not arguments.again:
        obstacle = recording.obstacle(recordings)
        if obstacle:
            environment.fail(obstacle, "see docs/video/README.md", code=77)
    if arguments.can:
        return
    if not arguments.again:
        surroundings = recording.environment_of(work)
        recording.build(recordings, surroundings)
        directory.mkdir(exist_ok=True)
        for each in recordings:
            say(began, f"recording {each.name}: {each.what}")
            recording.record(each, directory, surroundings)
    made_of = recording.made_of(recordings, directory)
    found = figures.Figures(directory, recordings)
    say(began, "speaking")
    made = film.cut(chapters, directory, found, work / "voice")
    for text in film.captions_too_long(made):
        raise script.ScriptError(f"a caption needs more than two lines: {text}")
    low, high = check.SECONDS if whole else CHAPTER_SECONDS
    if not low <= made.seconds <= high:
        raise script.ScriptError(f"the film has {made.seconds:.0f} s, not {low:.0f} to {high:.0f}")
    out = work / (f"{arguments.chapter}.mp4" if not whole else "quorid.mp4")
    sound, captions = out.with_suffix(".wav"), out.with_suffix(".srt")
    film.write_sound(made, sound)
    film.write_captions(made, captions)
    say(began, f"drawing {made.seconds:.0f} s")
    film.encode(made, sound, out, publish.tags(made_of))
    say(began, "checking")
    faults = check.check(out, captions, work / "check", (low, high), len(chapters))
    if faults:
        raise script.ScriptError("the film has faults: " + "; ".join(faults))
    if whole:
        publish.publish(made, made_of, found, out, captions, HERE)
    say(began, f"done: {out}")


def needed(chapters):
    """The recordings that pictures and figures of the chapters come from."""
    import pictures  # noqa: PLC0415
    import recording  # noqa: PLC0415
    import script  # noqa: PLC0415

    names = {name for chapter in chapters for cue in chapter.cues
             for name in pictures.recordings_of(cue)}
    for line, path in script.placeholders(chapters):
        name = path.split(".")[0]
        if name not in recording.RECORDINGS:
            raise script.ScriptError(f"line {line}: there is no recording {name}")
        names.add(name)
    return [each for each in recording.RECORDINGS.values() if each.name in names]


def say(began, text):
    print(f"[{time.monotonic() - began:4.0f} s] {text}", flush=True)


if __name__ == "__main__":
    main()
