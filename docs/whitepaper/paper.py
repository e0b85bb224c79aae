"""Typesets a Markdown document as a paper: reads it, writes it for typst, compiles that."""

import json
import os
import re
from pathlib import Path

import font_source_sans_pro
import typst
from markdown_it import MarkdownIt

HERE = Path(__file__).resolve().parent
ROOT = Path("/")
COLUMNS_OF_A_WIDE_TABLE = 4


class PaperError(Exception):
    """The document cannot be made into a paper; says why."""


def make(document, out, work, png=False):
    """Writes the PDF, and says how many pages it has."""
    text = document.read_text(encoding="utf-8")
    missing = sorted(set(re.findall(r"@@\w+@@", text)))
    if missing:
        raise PaperError(f"{os.path.relpath(document)} lacks numbers: {', '.join(missing)}")
    source = work / "paper.typ"
    work.mkdir(parents=True, exist_ok=True)
    source.write_text(in_typst(text, document.resolve().parent), encoding="utf-8")
    fonts = Path(font_source_sans_pro.__file__).parent / "files"
    settings = {"root": ROOT, "font_paths": [fonts], "ignore_system_fonts": True}
    try:
        pages = json.loads(typst.query(source, "<pages>", field="value", **settings))[0]
        typst.compile(source, output=out, **settings)
        if png:
            pictures = out.with_name(out.stem + "-{p}.png")
            typst.compile(source, output=pictures, format="png", ppi=150.0, **settings)
    except typst.TypstError as error:
        raise PaperError(f"typst: {error}") from error
    return pages


def in_typst(text, directory):
    """The whole document for typst, in the style of style.typ."""
    nodes = MarkdownIt("commonmark").enable("table").parse(text)
    style = (HERE / "style.typ").read_text(encoding="utf-8")
    return style + "\n" + Writer(nodes, directory).write()


class Writer:
    """Turns Markdown's tokens into typst's markup. What it doesn't know is an error."""

    def __init__(self, tokens, directory):
        self.tokens = tokens
        self.directory = directory
        self.at = 0
        self.link = ""

    def write(self):
        parts = []
        while self.at < len(self.tokens):
            parts.append(self._block())
        return "\n".join(parts)

    def _next(self):
        token = self.tokens[self.at]
        self.at += 1
        return token

    def _until(self, closing):
        parts = []
        while self.tokens[self.at].type != closing:
            parts.append(self._block())
        self.at += 1
        return parts

    def _block(self):
        token = self._next()
        match token.type:
            case "heading_open":
                text = self._inline(self._next())
                self.at += 1
                level = int(token.tag[1])
                return f"#title[{text}]\n" if level == 1 else f"{'=' * (level - 1)} {text}\n"
            case "paragraph_open":
                return self._paragraph()
            case "bullet_list_open" | "ordered_list_open":
                kind = "list" if token.type.startswith("bullet") else "enum"
                items = "".join(f"[{item}]" for item in self._until(token.type[:-4] + "close"))
                return f"#{kind}{items}\n"
            case "list_item_open":
                return "\n".join(self._until("list_item_close"))
            case "table_open":
                return self._table()
            case "fence" | "code_block":
                return f"#raw(block: true, {_string(token.content.rstrip())})\n"
            case _:
                raise PaperError(f"no way to set {token.type} (line {token.map[0] + 1})")

    def _paragraph(self):
        inline = self._next()
        self.at += 1
        if [child.type for child in inline.children] == ["image"]:
            return self._figure(inline.children[0])
        return self._inline(inline) + "\n"

    def _figure(self, image):
        """A picture, and as its caption the paragraph behind it, if that is all emphasised."""
        path = self.directory / image.attrs["src"]
        if not path.is_file():
            raise PaperError(f"there is no figure {os.path.relpath(path)}")
        caption = ""
        if self.at + 1 < len(self.tokens) and self.tokens[self.at].type == "paragraph_open":
            children = self.tokens[self.at + 1].children
            if children[0].type == "em_open" and children[-1].type == "em_close":
                caption = self._spans(children[1:-1])
                self.at += 3
        return f"#picture({_string(str(path))})[{caption}]\n"

    def _table(self):
        rows = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(f"[{self._inline(token)}]")
        columns = len(rows[0])
        wide = "true" if columns >= COLUMNS_OF_A_WIDE_TABLE else "false"
        cells = ",\n  ".join(", ".join(row) for row in rows)
        return f"#sheet({columns}, {wide},\n  {cells})\n"

    def _inline(self, token):
        return self._spans(token.children)

    def _spans(self, children):
        return "".join(self._span(child) for child in children)

    def _span(self, child):
        match child.type:
            case "text":
                return _escaped(child.content)
            case "softbreak":
                return " "
            case "hardbreak":
                return " \\ "
            case "code_inline":
                return f"#raw({_string(child.content)})"
            case "em_open":
                return "#emph["
            case "strong_open":
                return "#strong["
            case "em_close" | "strong_close":
                return "]"
            case "link_open":
                # On paper nothing can be followed: a page of ours is named.
                page = child.attrs["href"].endswith(".md")
                self.link = f" (#raw({_string('docs/' + child.attrs['href'])}))" if page else ""
                return ""
            case "link_close":
                return self.link
            case _:
                raise PaperError(f"no way to set {child.type} in {child.content!r}")


def _escaped(text):
    return re.sub(r"([\\#$*_`@<>\[\]~=+/-])", r"\\\1", text)


def _string(text):
    return json.dumps(text, ensure_ascii=False)
