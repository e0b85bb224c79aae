#!/usr/bin/env python3
"""Makes target/whitepaper.pdf from docs/whitepaper.md and its figures: A4, two pages at most.

    make.py                      the paper
    make.py FILE --out PDF       another document
    make.py --install            only what it needs, to see whether it can run here
    make.py --png                a picture of each page beside the PDF, too

What it needs is in requirements.txt; the first run installs that into a virtual environment,
target/whitepaper/venv. It ends with 1 if the paper is longer than --pages, or has a number missing,
and with 77 if it cannot run here: no Python that fits, or no package index.
"""

import argparse
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent

sys.path.insert(0, str(HERE.parent))
import environment  # noqa: E402


def main():
    arguments = parse()
    work = arguments.out.parent / "whitepaper"
    environment.enter(work / "venv", HERE / "requirements.txt", (3, 10), arguments.install)

    sys.path.insert(0, str(HERE))
    import paper  # noqa: PLC0415 (needs what was installed)

    try:
        pages = paper.make(arguments.document, arguments.out, work, png=arguments.png)
    except paper.PaperError as error:
        environment.fail(str(error))
    name = os.path.relpath(arguments.out)
    if pages > arguments.pages:
        environment.fail(f"{name} has {pages} pages, and may have {arguments.pages}",
                         f"a shorter {os.path.relpath(arguments.document)}")
    print(f"{name}: {pages} page{'s' if pages != 1 else ''}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", nargs="?", type=Path, default=TOP / "docs/whitepaper.md")
    parser.add_argument("--out", type=Path, help="the PDF; target/whitepaper.pdf")
    parser.add_argument("--pages", type=int, default=2, help="how many it may have; 2")
    parser.add_argument("--install", action="store_true", help="only install what it needs")
    parser.add_argument("--png", action="store_true", help="also make a picture of each page")
    arguments = parser.parse_args()
    arguments.out = (arguments.out or environment.target() / "whitepaper.pdf").resolve()
    return arguments


if __name__ == "__main__":
    main()
