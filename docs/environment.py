"""Runs a script of the documentation in a virtual environment of its own.

What is installed there is exactly what a requirements.txt with hashes names. A script that cannot run
here, for want of Python's venv or of a package index, ends with 77.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path


# What pip says of an index, or of its files, that cannot be reached.
UNREACHABLE = ("Could not find a version", "Max retries exceeded", "timed out")


def target():
    """The directory of everything that is built."""
    top = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("CARGO_TARGET_DIR") or top / "target").resolve()


def enter(venv, requirements, python_min, install_only=False):
    """Returns inside of the environment; outside of it, runs this very command there and ends.

    With `install_only` the environment is made, and the script ends with 0.
    """
    if sys.version_info < python_min:
        needed = ".".join(map(str, python_min))
        fail(f"this is Python {sys.version.split()[0]}", f"Python {needed} or newer", code=77)
    if Path(sys.prefix).resolve() == venv.resolve():
        return
    python = _prepare(venv, requirements)
    if install_only:
        sys.exit(0)
    # From here on with what was installed, and nothing else.
    command = [python, "-I", "-B", Path(sys.argv[0]).resolve(), *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False).returncode)


def _prepare(venv, requirements):
    """The environment's Python, with everything installed that the requirements name."""
    python = venv / "bin/python"
    stamp = venv / "installed"
    wanted = f"{sys.version}\n{hashlib.sha256(requirements.read_bytes()).hexdigest()}"
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
        "--require-hashes", "--only-binary=:all:", "--requirement", requirements,
    ]
    installed = subprocess.run(install, check=False, stderr=subprocess.PIPE, text=True)
    if installed.returncode != 0:
        print(installed.stderr, end="", file=sys.stderr)
        # Whatever else is wrong with the requirements is our fault.
        unreachable = any(sign in installed.stderr for sign in UNREACHABLE)
        fail(f"pip could not install what {os.path.relpath(requirements)} names (see above)",
             "a package index that pip can reach (PIP_INDEX_URL)", code=77 if unreachable else 1)
    stamp.write_text(wanted)
    return python


def fail(what, needed=None, code=1):
    print(f"error: {what}", file=sys.stderr)
    if needed:
        print(f"  needed: {needed}", file=sys.stderr)
    sys.exit(code)
