"""Cuts the film: how long each sentence takes decides when what is seen; then frames and sound."""

import subprocess
import wave
from dataclasses import dataclass, field

import check
import numpy
from canvas import BLUE, BOTTOM, EDGE, FPS, HEIGHT, INK, MUTED, WIDTH, Canvas
from pictures import Pictures
from speech import RATE, Speaker

# Silences, s: before a chapter's first sentence, between sentences, behind a picture's last.
BEFORE, BETWEEN, BEHIND, END = 0.7, 0.3, 0.45, 1.5
CAPTION_SIZE = 25
# Loudness of the whole, and the highest sample, of 1.
LUFS, PEAK = -16.0, 0.7


@dataclass
class Caption:
    begin: float
    end: float
    text: str


@dataclass
class Shot:
    """A picture from a moment to another, s."""
    begin: float
    end: float
    picture: object
    chapter: int


@dataclass
class Cut:
    shots: list = field(default_factory=list)
    captions: list = field(default_factory=list)
    # Begin and title of each.
    chapters: list = field(default_factory=list)
    sound: list = field(default_factory=list)

    @property
    def seconds(self):
        return self.shots[-1].end


def cut(chapters, directory, figures, voices):
    """Puts everything in its place in time."""
    made, speaker = Cut(), Speaker(voices)
    pictures = Pictures(directory, figures)
    now = 0.0
    for number, chapter in enumerate(chapters):
        for line, need in chapter.needs:
            figures.require(line, need)
        made.chapters.append((now, chapter.title))
        for index, cue in enumerate(chapter.cues):
            began = now
            picture = pictures.make(cue)
            now += BEFORE if index == 0 else 0.0
            anchors = []
            for sentence in cue.sentences:
                text = figures.fill(sentence.text)
                samples = speaker.speak(text)
                mark = figures.fill(sentence.mark) if sentence.mark else None
                made.sound.append((now, samples))
                end = now + len(samples) / RATE
                made.captions.append(Caption(now, end, text))
                anchors.append((now - began, sentence.event, mark))
                now = end + BETWEEN
            now += BEHIND - BETWEEN
            if (number, index) == (len(chapters) - 1, len(chapter.cues) - 1):
                now += END
            # A frame's border, so that pictures neither overlap nor leave a hole.
            now = round(now * FPS) / FPS
            picture.begin(now - began, anchors)
            made.shots.append(Shot(began, now, picture, number))
    return made


def write_sound(made, path):
    """All sentences on one track, 16 bits, one channel."""
    track = numpy.zeros(int(made.seconds * RATE), dtype=numpy.int16)
    for begin, samples in made.sound:
        at = int(begin * RATE)
        track[at:at + len(samples)] = samples
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(track.tobytes())


def write_captions(made, path):
    """The captions as SubRip, which is the transcript too."""
    blocks = [
        f"{number}\n{_time(each.begin)} --> {_time(each.end)}\n{each.text}\n"
        for number, each in enumerate(made.captions, 1)
    ]
    path.write_text("\n".join(blocks), encoding="utf-8")


def _time(seconds):
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"


def level(sound, levelled):
    """Evens out how loud words are, and gives the whole its loudness."""
    even = "acompressor=threshold=0.08:ratio=3:attack=5:release=120"
    part = levelled.with_suffix(".part.wav")
    ffmpeg = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-i"]
    subprocess.run([*ffmpeg, sound, "-af", even, part], check=True)
    gain = LUFS - check.measure_loudness(part)[0]
    loud = f"volume={gain:.2f}dB,alimiter=limit={PEAK}:level=false"
    subprocess.run([*ffmpeg, part, "-af", loud, levelled], check=True)
    part.unlink()


def encode(made, sound, out, tags):
    """Draws every frame into ffmpeg, which adds the sound at one loudness, and the chapters."""
    chapters = out.with_suffix(".chapters")
    lines = [";FFMETADATA1", *(f"{key}={value}" for key, value in tags.items())]
    ends = [begin for begin, _ in made.chapters[1:]] + [made.seconds]
    for (begin, title), end in zip(made.chapters, ends):
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={begin * 1000:.0f}",
                  f"END={end * 1000:.0f}", f"title={title}"]
    chapters.write_text("\n".join(lines) + "\n", encoding="utf-8")
    levelled = out.with_suffix(".levelled.wav")
    level(sound, levelled)
    command = [
        "ffmpeg", "-hide_banner", "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pixel_format", "bgr0", "-video_size", f"{WIDTH}x{HEIGHT}",
        "-framerate", str(FPS), "-i", "-", "-i", levelled, "-f", "ffmetadata", "-i", chapters,
        "-map", "0:v", "-map", "1:a", "-map_metadata", "2", "-map_chapters", "2",
        "-c:v", "libx264", "-preset", "medium", "-tune", "animation", "-crf", "22",
        "-pix_fmt", "yuv420p", "-g", str(10 * FPS), "-ar", "48000",
        "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", out,
    ]
    ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        for frame in frames(made):
            ffmpeg.stdin.write(frame)
        ffmpeg.stdin.close()
    except BrokenPipeError:
        pass
    finally:
        code = ffmpeg.wait()
        chapters.unlink()
        levelled.unlink()
    if code != 0:
        raise OSError(f"ffmpeg ended with {code}")


def frames(made):
    """Each frame's pixels. One that looks like the one before isn't drawn again."""
    canvas = Canvas()
    before, pixels = None, b""
    for number in range(round(made.seconds * FPS)):
        t = number / FPS
        key = _key(made, t)
        if key != before:
            paint(made, canvas, t)
            pixels, before = canvas.bytes(), key
        yield pixels


def _at(made, t):
    shot = next(shot for shot in made.shots if t < shot.end - 1e-9)
    caption = next((each for each in made.captions if each.begin <= t < each.end + BETWEEN), None)
    return shot, caption


def _key(made, t):
    shot, caption = _at(made, t)
    return (id(shot), shot.picture.key(t - shot.begin), caption and caption.begin,
            round(t / made.seconds * WIDTH))


def paint(made, canvas, t):
    shot, caption = _at(made, t)
    canvas.clear()
    count = len(made.chapters)
    if count > 1:
        begins = [begin for begin, _ in made.chapters]
        canvas.text(20, 31, f"{shot.chapter + 1}/{count}", 16, MUTED)
        canvas.text(72, 31, made.chapters[shot.chapter][1], 20, INK, True)
    else:
        begins = []
        canvas.text(20, 31, made.chapters[0][1], 20, INK, True)
    shot.picture.paint(canvas, t - shot.begin)
    if caption:
        lines = caption_lines(canvas, caption.text)
        first = BOTTOM + (40 if len(lines) > 1 else 57)
        for number, line in enumerate(lines):
            canvas.text(WIDTH / 2, first + 34 * number, line, CAPTION_SIZE, INK, anchor="middle")
    canvas.rect(0, HEIGHT - 4, WIDTH, 4, EDGE)
    canvas.rect(0, HEIGHT - 4, WIDTH * t / made.seconds, 4, BLUE)
    for begin in begins[1:]:
        canvas.rect(WIDTH * begin / made.seconds - 1, HEIGHT - 4, 2, 4, INK)


def caption_lines(canvas, text):
    """As few lines as there can be, of about the same length."""
    room = WIDTH - 80
    lines = canvas.wrap(text, room, CAPTION_SIZE)
    if len(lines) > 1:
        even = 1.06 * sum(canvas.width_of(line, CAPTION_SIZE) for line in lines) / len(lines)
        evener = canvas.wrap(text, even, CAPTION_SIZE)
        lines = evener if len(evener) == len(lines) else lines
    return lines


def captions_too_long(made):
    """Captions that need more than two lines."""
    canvas = Canvas()
    return [each.text for each in made.captions
            if len(caption_lines(canvas, each.text)) > 2]
