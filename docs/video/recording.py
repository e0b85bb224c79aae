"""Records runs: each a command in a terminal of its own, and the file with what it came to."""

import datetime
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
# Of every recorded terminal: the widest table that the tour prints fits.
COLUMNS, ROWS = 104, 24


@dataclass(frozen=True)
class Recording:
    name: str
    # What the pictures say it is.
    what: str
    # Targets of make that build what it runs.
    builds: tuple
    # A command for bash; {target} is where cargo builds, {sim} where for the simulation, {result}
    # is the file for what it came to.
    command: str
    # That file's name.
    result: str
    # A command that ends with 77 where the run can't be made, and says why.
    check: str = "true"

    @property
    def cast(self):
        return f"{self.name}.cast"

    @property
    def note(self):
        """The file that is there once the run has ended well: its date and commit."""
        return f"{self.name}.recorded.json"


RECORDINGS = {
    recording.name: recording
    for recording in (
        Recording("hosts", "three hosts", ("build",),
                  "QUORID={target}/debug/quorid deploy/hosts/demo.sh --record {result}",
                  "hosts.json", "deploy/hosts/lab.sh -- true"),
        Recording("containers", "three containers", ("build",),
                  "deploy/docker/demo.sh --record {result}", "containers.json",
                  "deploy/docker/demo.sh --check"),
        Recording("trace", "three processes", ("release",),
                  "{target}/release/quorid demo --trace {result}", "trace.json"),
        Recording("simulation", "simulated clusters", ("sim-build",),
                  "{sim}/debug/quorid-sim sweep --seeds 1..300 --failovers 300 --all-kinds --jobs 2"
                  " --report {result} | cut -c 1-104", "simulation.md"),
        Recording("mutants", "planted bugs", ("sim-build",),
                  "{sim}/debug/quorid-sim mutants --seeds 1..200 --jobs 2 --report {result}"
                  " | sed -u 's/ by seed \\([0-9]*\\):.*/ by seed \\1/'", "mutants.md"),
        Recording("torture", "three real servers", ("build", "sim-build"),
                  "{sim}/debug/quorid-torture --require-all --program {target}/debug/quorid --kills 5"
                  " --all-killed 1 --stops 3 --sync-errors 1 --slow-syncs 1 --full-disks 1"
                  " --report {result} | cut -c 1-104", "torture.md"),
        Recording("peers", "in turns on this machine", ("release",),
                  "QUORID={target}/release/quorid docs/benchmarks/compare.sh --cells create:64 --json {result}",
                  "peers.json", "ls /usr/lib/postgresql/*/bin/postgres >/dev/null || exit 77"),
    )
}


class RecordingError(Exception):
    """A run that failed, and where its output is."""


def obstacle(recordings):
    """Why one of the runs can't be made on this machine; None if nothing speaks against it."""
    for recording in recordings:
        ended = subprocess.run(["bash", "-c", recording.check], cwd=TOP, check=False,
                               stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if ended.returncode == 77:
            return f"{recording.what} can't be recorded here: {ended.stderr.strip()}"
        if ended.returncode != 0:
            raise RecordingError(f"{recording.check} failed: {ended.stderr.strip()}")
    return None


def build(recordings, environment):
    """Builds what they need, before the first is recorded: a build would disturb it."""
    targets = []
    for recording in recordings:
        targets += [target for target in recording.builds if target not in targets]
    for target in targets:
        ended = subprocess.run(["make", "--no-print-directory", target], cwd=TOP, env=environment,
                               check=False)
        if ended.returncode != 0:
            raise RecordingError(f"make {target} failed")


def record(recording, directory, environment):
    """Runs it under asciinema. What an earlier run left is gone."""
    cast, result = directory / recording.cast, directory / recording.result
    code = directory / f"{recording.name}.code"
    for file in (cast, result, code, directory / recording.note):
        file.unlink(missing_ok=True)
    built = environment.get("CARGO_TARGET_DIR")
    command = recording.command.format(
        target=shlex.quote(str(TOP / (built or "target"))),
        sim=shlex.quote(str(TOP / (built or "sim/target"))),
        result=shlex.quote(str(result)),
    )
    # asciinema doesn't tell how the command ended.
    script = f"set -o pipefail; {command}; echo $? >{shlex.quote(str(code))}"
    subprocess.run(
        [sys.executable, "-I", "-m", "asciinema", "rec", "--quiet", "--overwrite",
         "--cols", str(COLUMNS), "--rows", str(ROWS),
         "--command", f"bash -c {shlex.quote(script)}", cast],
        cwd=TOP, env=environment, stdin=subprocess.DEVNULL, check=True,
    )
    ended = code.read_text().strip() if code.exists() else "no exit code"
    if ended != "0":
        raise RecordingError(f"{recording.name} ended with {ended}: asciinema cat {cast}")
    if not result.exists():
        raise RecordingError(f"{recording.name} left no {result}")
    told = json.dumps({"date": today(), "commit": commit()})
    (directory / recording.note).write_text(told, encoding="utf-8")


def made_of(recordings, directory):
    """The date and commit of the recordings, which have to be of one; each has ended well."""
    notes = {}
    for recording in recordings:
        file = directory / recording.note
        if not file.exists():
            raise RecordingError(f"{recording.name} hasn't been recorded, or its run failed")
        notes[recording.name] = json.loads(file.read_text(encoding="utf-8"))
    commits = {note["commit"] for note in notes.values()}
    if len(commits) > 1:
        raise RecordingError(f"the recordings are of several commits: {notes}")
    return {"commit": commits.pop(), "date": max(note["date"] for note in notes.values())}


def commit():
    """The commit that is recorded; a + behind it if files differ from it; `unknown` without git."""
    def git(*words):
        return subprocess.run(["git", *words], cwd=TOP, check=True, capture_output=True,
                              text=True).stdout.strip()
    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def today():
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def environment_of(directory):
    """This process's, without what would make a run another one or take its colours."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("QUORID_") and name not in ("NO_COLOR", "CLICOLOR")}
    home = directory / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return kept | {"TERM": "xterm-256color", "SHELL": "/bin/bash", "LC_ALL": "C.UTF-8",
                   "ASCIINEMA_CONFIG_HOME": str(home)}
