"""What pictures are painted with: one size, one set of colours and typefaces, a few shapes."""

import math

import cairocffi as cairo

WIDTH, HEIGHT = 1280, 720
FPS = 30
# From top to bottom: the chapter's name, the picture, two lines of captions.
TOP, BOTTOM = 48, 624

BACK = "#0e1620"
PANEL = "#16212e"
EDGE = "#2b3a4b"
INK = "#e8eef4"
MUTED = "#93a2b2"
BLUE = "#58a6ff"
GREEN = "#4cc38a"
AMBER = "#f0b429"
RED = "#ff6b64"
MONO = "JetBrains Mono"
SANS = "Inter"


def rgb(colour):
    return tuple(int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5))


class Canvas:
    """A frame in the making."""

    def __init__(self):
        self.surface = cairo.ImageSurface(cairo.FORMAT_RGB24, WIDTH, HEIGHT)
        self.context = cairo.Context(self.surface)

    def bytes(self):
        """The pixels, as ffmpeg's bgr0 has them."""
        self.surface.flush()
        return bytes(self.surface.get_data())

    def save(self, path):
        self.surface.write_to_png(str(path))

    def clear(self):
        self.rect(0, 0, WIDTH, HEIGHT, BACK)

    def rect(self, x, y, width, height, fill, radius=0, stroke=None, opacity=1.0, thick=1.5):
        context = self.context
        if radius:
            context.new_sub_path()
            for cx, cy, begin in (
                (x + width - radius, y + radius, -90), (x + width - radius, y + height - radius, 0),
                (x + radius, y + height - radius, 90), (x + radius, y + radius, 180),
            ):
                context.arc(cx, cy, radius, math.radians(begin), math.radians(begin + 90))
            context.close_path()
        else:
            context.rectangle(x, y, width, height)
        if fill:
            context.set_source_rgba(*rgb(fill), opacity)
            context.fill_preserve() if stroke else context.fill()
        if stroke:
            context.set_source_rgb(*rgb(stroke))
            context.set_line_width(thick)
            context.stroke()

    def line(self, x1, y1, x2, y2, colour, width=1.5, dash=None, opacity=1.0):
        context = self.context
        context.set_source_rgba(*rgb(colour), opacity)
        context.set_line_width(width)
        context.set_dash(dash or [])
        context.move_to(x1, y1)
        context.line_to(x2, y2)
        context.stroke()
        context.set_dash([])

    def arrow(self, x1, y1, x2, y2, colour, width=2.0, dash=None):
        length = math.hypot(x2 - x1, y2 - y1)
        if length < 12:
            return
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        bx, by = x2 - 11 * ux, y2 - 11 * uy
        self.line(x1, y1, bx, by, colour, width, dash)
        context = self.context
        context.set_source_rgb(*rgb(colour))
        context.move_to(x2, y2)
        context.line_to(bx - 5 * uy, by + 5 * ux)
        context.line_to(bx + 5 * uy, by - 5 * ux)
        context.close_path()
        context.fill()

    def dot(self, x, y, radius, colour):
        self.context.set_source_rgb(*rgb(colour))
        self.context.new_sub_path()
        self.context.arc(x, y, radius, 0, 2 * math.pi)
        self.context.fill()

    def cross(self, x, y, arm, colour, width=4.0):
        self.line(x - arm, y - arm, x + arm, y + arm, colour, width)
        self.line(x - arm, y + arm, x + arm, y - arm, colour, width)

    def text(self, x, y, text, size=18, colour=INK, bold=False, font=SANS, anchor="start"):
        """Text whose baseline is at y; returns its width."""
        self._font(size, bold, font)
        width = self.context.text_extents(text)[4]
        x -= {"start": 0, "middle": width / 2, "end": width}[anchor]
        self.context.set_source_rgb(*rgb(colour))
        self.context.move_to(x, y)
        self.context.show_text(text)
        return width

    def width_of(self, text, size=18, bold=False, font=SANS):
        self._font(size, bold, font)
        return self.context.text_extents(text)[4]

    def wrap(self, text, room, size=18, bold=False, font=SANS):
        """Lines of whole words, none wider than the room unless a word is."""
        lines = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width_of(longer, size, bold, font) <= room:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def _font(self, size, bold, font):
        weight = cairo.FONT_WEIGHT_BOLD if bold else cairo.FONT_WEIGHT_NORMAL
        self.context.select_font_face(font, cairo.FONT_SLANT_NORMAL, weight)
        self.context.set_font_size(size)
