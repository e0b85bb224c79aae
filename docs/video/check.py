#!/usr/bin/env python3
"""Checks a film against its captions: python3 docs/video/check.py [FILM CAPTIONS].

Without arguments it checks docs/video/quorid.mp4. It prints length, size, streams, loudness, silences,
how far speech and captions drift apart, and how many words a recogniser of speech hears otherwise
than the captions have them. A picture for every ten seconds goes to target/video/check, to be looked
at. It ends with 1 if it finds a fault.
"""

import json
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(1, str(HERE))
import environment  # noqa: E402
import script  # noqa: E402

# How long the whole film may be, s.
SECONDS = (7 * 60, 9.5 * 60)
BYTES_MAX = 20_000_000
WIDTH_MIN, HEIGHT_MIN, FPS = 1280, 720, "30/1"
# Loudness as wanted, give or take, LUFS.
LOUDNESS, LOUDNESS_OFF = -16.0, 1.5
SILENCE_MAX = 3.0
# How far a caption may begin or end from the speech, s.
DRIFT_MAX = 0.1
# The share of words heard otherwise that a recogniser without knowledge of the field may come to, in a
# whole film and in a chapter: of 150 words 33 to 47 % were, as the voice speaks a sentence a little
# differently each time. Of another caption's words it is 80 % and more.
ERROR_RATE_MAX, ERROR_RATE_MAX_OF_FEW, FEW_WORDS = 0.45, 0.6, 500
# By how much another caption may fit better what was heard, as a share of the words.
MISTAKEN_MAX = 0.1
RATE = 16000
EVERY = 10


def main():
    work = environment.target() / "video"
    environment.enter(work / "venv", HERE / "requirements.txt", (3, 11))
    film, captions = [*map(Path, sys.argv[1:]), HERE / "quorid.mp4", HERE / "quorid.srt"][:2]
    chapters = len(script.read(HERE / "script.txt"))
    faults = check(film, captions, work / "check", SECONDS, chapters)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


def check(film, captions, pictures, seconds, chapters):
    """Prints the figures; returns what is wrong."""
    faults = []

    def judge(good, text):
        print(f"  {text}")
        if not good:
            faults.append(text)

    said = read_captions(captions)
    probed = probe(film)
    length = float(probed["format"]["duration"])
    size = int(probed["format"]["size"])
    low, high = seconds
    judge(low <= length <= high, f"length: {length // 60:.0f} min {length % 60:.1f} s")
    judge(size < BYTES_MAX, f"size: {size / 1e6:.1f} MB")
    video, audio = (next((s for s in probed["streams"] if s["codec_type"] == kind), None)
                    for kind in ("video", "audio"))
    if not (video and audio and said):
        return [*faults, "there is no picture, no sound or no caption"]
    judge(video["codec_name"] == "h264" and video["r_frame_rate"] == FPS
          and video["width"] >= WIDTH_MIN and video["height"] >= HEIGHT_MIN,
          f"picture: {video['codec_name']}, {video['width']}x{video['height']}, "
          f"{video['r_frame_rate']} frames a second")
    judge(audio["codec_name"] == "aac",
          f"sound: {audio['codec_name']}, {audio['sample_rate']} Hz, {audio['channels']} channel")
    apart = abs(float(video["duration"]) - float(audio["duration"]))
    judge(apart < 0.2, f"picture and sound differ in length by {apart:.2f} s")
    judge(len(probed["chapters"]) == chapters, f"chapters: {len(probed['chapters'])} of {chapters}")
    loudness, peak = measure_loudness(film)
    judge(abs(loudness - LOUDNESS) <= LOUDNESS_OFF and peak <= -0.5,
          f"loudness: {loudness:.1f} LUFS, true peak {peak:.1f} dBFS")
    samples = decode(film)
    silence = longest_silence(samples)
    judge(silence <= SILENCE_MAX, f"longest silence: {silence:.2f} s")
    drifts = [drift for begin, end, _ in said for drift in drifts_of(samples, begin, end)]
    drifts.sort()
    judge(drifts[-1] <= DRIFT_MAX,
          f"drift of speech against captions: median {drifts[len(drifts) // 2] * 1000:.0f} ms, "
          f"worst {drifts[-1] * 1000:.0f} ms, at {len(drifts)} ends of {len(said)} captions")
    wanted = [words_of(text) for _, _, text in said]
    heard = recognise(samples, said)
    wrong = sum(min(edits(w, h), len(w)) for w, h in zip(wanted, heard))
    words = sum(map(len, wanted))
    judge(wrong <= words * (ERROR_RATE_MAX if words > FEW_WORDS else ERROR_RATE_MAX_OF_FEW),
          f"recognised: {wrong} of {words} words otherwise, {100 * wrong / words:.0f} % "
          "(pocketsphinx, its own English model)")
    dropped = sum(not set(w) & set(h) for w, h in zip(wanted, heard))
    judge(not dropped, f"captions of which not a single word was heard: {dropped}")
    mistaken = mistaken_for_others(wanted, heard)
    judge(not mistaken, f"captions that sound like another's words: {len(mistaken)} {mistaken or ''}")
    count = take_pictures(film, pictures)
    print(f"  pictures to look at: {count} in {pictures}")
    return faults


def read_captions(path):
    """Begin and end, s, and text of each."""
    said = []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        _, times, text = block.split("\n", 2)
        begin, end = (
            int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000
            for h, m, s, ms in re.findall(r"(\d+):(\d+):(\d+),(\d+)", times)
        )
        said.append((begin, end, text))
    return said


def probe(film):
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_chapters",
         "-of", "json", film], check=True, capture_output=True, text=True)
    return json.loads(shown.stdout)


def measure_loudness(film):
    said = subprocess.run(
        ["ffmpeg", "-hide_banner", "-nostats", "-i", film, "-map", "0:a",
         "-af", "ebur128=peak=true", "-f", "null", "-"],
        check=True, capture_output=True, text=True).stderr
    summary = said[said.rindex("Summary:"):]
    return (float(re.search(r"I:\s+(-?[\d.]+) LUFS", summary)[1]),
            float(re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)[1]))


def decode(film):
    import numpy  # noqa: PLC0415

    raw = subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-i", film, "-map", "0:a", "-ac", "1",
         "-ar", str(RATE), "-f", "s16le", "-"], check=True, capture_output=True).stdout
    return numpy.frombuffer(raw, dtype=numpy.int16)


def loud(samples):
    """For each 10 ms, whether anything is heard."""
    import numpy  # noqa: PLC0415

    step = RATE // 100
    whole = samples[:len(samples) // step * step].astype(numpy.float64).reshape(-1, step)
    return numpy.sqrt((whole ** 2).mean(axis=1)) > 120


def longest_silence(samples):
    longest = now = 0
    for heard in loud(samples):
        now = 0 if heard else now + 1
        longest = max(longest, now)
    return longest / 100


def drifts_of(samples, begin, end):
    """How far the speech's begin and end are from the caption's, s."""
    import numpy  # noqa: PLC0415

    # Not so far that the neighbours' speech is met: there are 0.3 s between them.
    reach = 0.14
    first = max(begin - reach, 0.0)
    within = loud(samples[int(first * RATE):int((end + reach) * RATE)])
    heard = numpy.flatnonzero(within) / 100
    # Between two captions it is silent: a window that begins or ends with a sound is another one's.
    if not len(heard) or within[0] or within[-1]:
        return [float("inf")]
    return [abs(first + heard[0] - begin), abs(first + heard[-1] + 0.01 - end)]


def recognise(samples, said):
    """The words that are heard in the place of each caption."""
    parts = [samples[int(max(begin - 0.1, 0) * RATE):int((end + 0.1) * RATE)].tobytes()
             for begin, end, _ in said]
    with ProcessPoolExecutor() as pool:
        return [words_of(heard) for heard in pool.map(hear, parts, chunksize=4)]


def mistaken_for_others(wanted, heard):
    """The numbers, from 1 on, of the captions in whose place another's words were heard."""

    def distance(text, sound):
        return edits(text, sound) / max(len(text), len(sound), 1)

    return [
        number
        for number, (own, sound) in enumerate(zip(wanted, heard), 1)
        if any(distance(other, sound) < distance(own, sound) - MISTAKEN_MAX for other in wanted)
    ]


decoder = None


def hear(sound):
    """What pocketsphinx takes some samples for."""
    import pocketsphinx  # noqa: PLC0415

    global decoder
    if decoder is None:
        decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found else ""


def words_of(text):
    """Words as they are spoken, in lower case."""
    import inflect  # noqa: PLC0415
    import speech  # noqa: PLC0415

    text = speech.spoken(text)
    engine = inflect.engine()
    text = re.sub(r"\d+", lambda found: f" {engine.number_to_words(found[0], andword='')} ", text)
    words = re.findall(r"[a-z']+", text.lower().replace("-", " "))
    return [word for word in words if word != "and"]


def edits(wanted, heard):
    """How many words to insert, delete or exchange."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def take_pictures(film, directory):
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.png"):
        old.unlink()
    subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-i", film,
         "-vf", f"fps=1/{EVERY}:round=up", directory / "%03d.png"], check=True)
    return len(list(directory.glob("*.png")))


if __name__ == "__main__":
    main()
