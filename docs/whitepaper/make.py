#!/usr/bin/env python3
"""Makes target/whitepaper.pdf from docs/whitepaper.md and its figures: A4, two pages at most.

    make.py                      the paper
    make.py FILE --out PDF       another document
    make.py --install            only what it needs, to see whether it can run here
    make.py --png                a picture of each page beside the PDF, too

What it needs is in requirements.txt; the first run installs that into a virtual environment,
target/whitepaper/venv. It ends with 1 if the paper is longer than --pages, or has a number missing,
and with 77 if it can't run here: no Python that fits, or no package index.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
PYTHON_MIN = (3, 10)


def main():
    arguments = parse()
    if sys.version_info < PYTHON_MIN:
        needed = ".".join(map(str, PYTHON_MIN))
        fail(f"this is Python {sys.version.split()[0]}", f"Python {needed} or newer", code=77)
    work = arguments.out.parent / "whitepaper"
    venv = work / "venv"
    if Path(sys.prefix).resolve() != venv.resolve():
        python = prepare(venv)
        if arguments.install:
            return
        # From here on with what was installed, and nothing else.
        command = [python, "-I", "-B", __file__, *sys.argv[1:]]
        sys.exit(subprocess.run(command, check=False).returncode)

    sys.path.insert(0, str(HERE))
    import paper  # noqa: PLC0415 (needs what was installed)

    try:
        pages = paper.make(arguments.document, arguments.out, work, png=arguments.png)
    except paper.PaperError as error:
        fail(str(error))
    name = os.path.relpath(arguments.out)
    if pages > arguments.pages:
        fail(f"{name} has {pages} pages, and may have {arguments.pages}",
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
    target = Path(os.environ.get("CARGO_TARGET_DIR") or TOP / "target")
    arguments.out = (arguments.out or target / "whitepaper.pdf").resolve()
    return arguments


def prepare(venv):
    """The virtual environment's Python, with everything installed that requirements.txt names."""
    python = venv / "bin/python"
    stamp = venv / "installed"
    wanted = f"{sys.version}\n{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv as maker  # noqa: PLC0415
    except ImportError as error:
        fail(f"Python's module {error.name} is missing",
             "apt-get install python3-venv, or what your system calls it", code=77)
    print(f"Preparing {os.path.relpath(venv)}, once", file=sys.stderr)
    try:
        maker.create(venv, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"no virtual environment could be made in {venv}: {error}",
             "apt-get install python3-venv, or what your system calls it")
    install = [
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--require-hashes", "--only-binary=:all:", "--requirement", REQUIREMENTS,
    ]
    installed = subprocess.run(install, check=False, stderr=subprocess.PIPE, text=True)
    if installed.returncode != 0:
        print(installed.stderr, end="", file=sys.stderr)
        # Whatever else is wrong with the requirements is our fault.
        unreachable = "Could not find a version" in installed.stderr
        fail("pip could not install what docs/whitepaper/requirements.txt names (see above)",
             "a package index that pip can reach (PIP_INDEX_URL)", code=77 if unreachable else 1)
    stamp.write_text(wanted)
    return python


def fail(what, needed=None, code=1):
    print(f"error: {what}", file=sys.stderr)
    if needed:
        print(f"  needed: {needed}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
