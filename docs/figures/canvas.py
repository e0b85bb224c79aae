"""An SVG picture in the making: shapes and text, on a background of its own."""

from html import escape

INK = "#1f2933"
MUTED = "#5f6c7b"
FAINT = "#d5dbe2"
BLUE = "#1f5fa8"
AMBER = "#b35c00"
RED = "#c22f2f"
GREEN = "#1d7a46"
VIOLET = "#6b3fa0"
LEASE = "#f6dfb8"
TIME_OUT = "#fbf1de"
SYNC = "#f6dfb8"

SIZE = 12.0
FONTS = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', "
    "'Source Sans Pro', sans-serif"
)


def text_width(text, size=SIZE, bold=False):
    """How wide a text is at most, in the widest of the usual fonts."""
    width = 0.0
    for character in text:
        if character in "iIjl.,:;'|!()[]/ ":
            width += 0.40
        elif character in "frt-\"":
            width += 0.43
        elif character in "mwMW%@":
            width += 0.97
        elif character.isupper():
            width += 0.74
        else:
            width += 0.635
    return width * size * (1.09 if bold else 1.0)


def thousands(number):
    return f"{number:,.0f}"


def steps_of_axis(first, last, about):
    """Round numbers from first to last, some `about` of them."""
    rough = max((last - first) / about, 1e-9)
    power = 1.0
    while power * 10 <= rough:
        power *= 10
    while power > rough:
        power /= 10
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    index = -int(-first // step)
    ticks = []
    while index * step <= last + 1e-9:
        ticks.append(index * step)
        index += 1
    return ticks


class Canvas:
    """Collects elements; `svg` puts them together."""

    def __init__(self, width, title, description):
        self.width = width
        self.title = title
        self.description = description
        self.elements = []

    def add(self, name, **attributes):
        text = attributes.pop("text", None)
        pairs = "".join(
            f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
            for key, value in attributes.items()
            if value is not None
        )
        body = f">{escape(text, quote=False)}</{name}>" if text is not None else "/>"
        self.elements.append(f"<{name}{pairs}{body}")

    def line(self, x1, y1, x2, y2, colour, width=1.0, dash=None, opacity=None):
        self.add(
            "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width,
            stroke_dasharray=dash, stroke_opacity=opacity,
        )

    def rect(self, x, y, width, height, fill, radius=None, stroke=None):
        self.add(
            "rect", x=x, y=y, width=max(width, 0.0), height=height, fill=fill, rx=radius,
            stroke=stroke,
        )

    def dot(self, x, y, colour, radius=4.0, hollow=False):
        self.add(
            "circle", cx=x, cy=y, r=radius, fill="#ffffff" if hollow else colour,
            stroke=colour, stroke_width=1.4,
        )

    def cross(self, x, y, colour, arm=6.0):
        self.line(x - arm, y - arm, x + arm, y + arm, colour, 2.6)
        self.line(x - arm, y + arm, x + arm, y - arm, colour, 2.6)

    def arrow(self, x1, y1, x2, y2, colour, width=1.3, dash=None, short=5.0):
        """From point to point, ending `short` before the second one, where there is a dot."""
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        if length < 2 * short:
            return
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        tip = x2 - ux * short, y2 - uy * short
        base = tip[0] - ux * 7, tip[1] - uy * 7
        self.line(x1 + ux * short, y1 + uy * short, *base, colour, width, dash)
        corners = [tip, (base[0] - uy * 3.2, base[1] + ux * 3.2),
                   (base[0] + uy * 3.2, base[1] - ux * 3.2)]
        points = " ".join(f"{_value(x)},{_value(y)}" for x, y in corners)
        self.add("polygon", points=points, fill=colour)

    def text(self, x, y, text, colour=INK, anchor="start", size=SIZE, bold=False, halo=False):
        """Text whose baseline is at y; a halo keeps lines behind it apart from it."""
        self.add(
            "text", x=x, y=y, fill=colour, text_anchor=anchor if anchor != "start" else None,
            font_size=size if size != SIZE else None, font_weight="600" if bold else None,
            stroke="#ffffff" if halo else None, stroke_width=3.5 if halo else None,
            stroke_linejoin="round" if halo else None, paint_order="stroke" if halo else None,
            text=text,
        )

    def svg(self, height):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_value(self.width)}" '
            f'height="{_value(height)}" viewBox="0 0 {_value(self.width)} {_value(height)}" '
            f'role="img" font-family="{FONTS}" font-size="{_value(SIZE)}">'
        )
        back = (
            f'<rect x="0.5" y="0.5" width="{_value(self.width - 1)}" '
            f'height="{_value(height - 1)}" rx="6" fill="#ffffff" stroke="{FAINT}"/>'
        )
        lines = [
            head,
            f"<title>{escape(self.title, quote=False)}</title>",
            f"<desc>{escape(self.description, quote=False)}</desc>",
            back,
            *self.elements,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


def _value(value):
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0")
    return str(value)
