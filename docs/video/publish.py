"""Puts the film beside its script: the film, its captions, contents, a still, a small moving one."""

import shutil
import subprocess

import film
from canvas import BACK, HEIGHT, INK, WIDTH, Canvas
from pictures import Pictures
from script import Cue

# Which chapter, and where on the still the button is: where the picture has nothing.
STILL_OF, STILL_BUTTON = "leader_killed", (235, 400)
GIF_FPS, GIF_SECONDS, GIF_BYTES_MAX = 10, 20, 2_000_000


def tags(made_of):
    return {"title": "Quorid", "date": made_of["date"],
            "comment": f"recorded at commit {made_of['commit']}"}


def publish(made, made_of, figures, out, captions, place):
    shutil.copyfile(out, place / "quorid.mp4")
    shutil.copyfile(captions, place / "quorid.srt")
    (place / "contents.md").write_text(contents(made, made_of, figures), encoding="utf-8")
    still(made, place / "still.png")
    moving(figures, out.parent / "recordings", place / "failover.gif")


def contents(made, made_of, figures):
    rows = [
        f"| {begin // 60:.0f}:{begin % 60:02.0f} | {title} |" for begin, title in made.chapters
    ]
    runs = [
        f"- `{name}`: {record['checks']} checks held, {record['seconds']:.0f} s, "
        f"{record['build']} build, version {record['version']}, {record['cores']} cores"
        for name, record in figures.data.items() if name in figures.records
    ]
    return "\n".join([
        "# Contents of the video",
        "",
        "`make video` writes this page with the film.",
        "",
        f"Recorded on {made_of['date']} at commit {made_of['commit']}; {made.seconds // 60:.0f} minutes "
        f"{made.seconds % 60:.0f} seconds.",
        "",
        "| At | Chapter |",
        "| ---: | --- |",
        *rows,
        "",
        "The tours in it:",
        "",
        *runs,
        "",
    ])


def still(made, path):
    """A picture of the failover, with a triangle that says: this moves."""
    index = next(i for i, shot in enumerate(made.shots)
                 if shot.picture.__class__.__name__ == "Scene"
                 and shot.picture.chapter["name"] == STILL_OF)
    shot = made.shots[index]
    canvas = Canvas()
    film.paint(made, canvas, shot.begin + 0.9 * (shot.end - shot.begin))
    context = canvas.context
    x, y = STILL_BUTTON
    canvas.rect(x - 64, y - 64, 128, 128, BACK, 64, INK, thick=4)
    context.move_to(x - 20, y - 32)
    context.line_to(x - 20, y + 32)
    context.line_to(x + 36, y)
    context.close_path()
    context.fill()
    canvas.save(path)


def moving(figures, recordings, path):
    """The terminal of the hosts while the leader is killed, as a GIF."""
    cue = Cue("terminal", ["hosts", STILL_OF], 0)
    cue.points = ["to " + r"no client saw an error"]
    picture = Pictures(recordings, figures).make(cue)
    # Without a voice, lines come at the pace of a reader.
    picture.line_min = 0.45
    picture.begin(GIF_SECONDS, [])
    canvas = Canvas()
    height = 600
    command = [
        "ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo",
        "-pixel_format", "bgr0", "-video_size", f"{WIDTH}x{HEIGHT}", "-framerate", str(GIF_FPS), "-i", "-",
        "-vf", f"crop={WIDTH}:{height}:0:36,scale=960:-1:flags=lanczos,split[a][b];"
               "[a]palettegen=max_colors=48[p];[b][p]paletteuse=dither=none", path,
    ]
    ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE)
    for number in range(GIF_SECONDS * GIF_FPS):
        canvas.clear()
        picture.paint(canvas, number / GIF_FPS)
        ffmpeg.stdin.write(canvas.bytes())
    ffmpeg.stdin.close()
    if ffmpeg.wait() != 0 or path.stat().st_size > GIF_BYTES_MAX:
        raise OSError(f"{path} couldn't be made, or has more than {GIF_BYTES_MAX} bytes")
