"""Reads the trace of a run (`quorid demo --trace FILE`) and what follows from it."""

import json
import re
from dataclasses import dataclass


class TraceError(Exception):
    """A trace that cannot be drawn; says which part of it, and why."""


@dataclass(frozen=True)
class Step:
    us: float
    who: str
    what: str


@dataclass(frozen=True)
class Write:
    revision: int
    leader: str
    steps: tuple
    median_us: float
    of: int

    @property
    def followers(self):
        others = {step.who for step in self.steps} - {"client", self.leader}
        return sorted(others)

    def at(self, who, what):
        """When somebody did something first; None if the trace doesn't tell."""
        times = [step.us for step in self.steps if (step.who, step.what) == (who, what)]
        return min(times, default=None)

    @property
    def synced(self):
        """Servers in the order in which the change was on their disks, with the times."""
        servers = [self.leader, *self.followers]
        times = [(self.at(server, "synced"), server) for server in servers]
        return sorted((us, server) for us, server in times if us is not None)

    @property
    def majority(self):
        return (len(self.followers) + 1) // 2 + 1


@dataclass(frozen=True)
class Event:
    ms: float
    who: str
    event: str
    what: str

    @property
    def term(self):
        found = re.search(r"\bterm (\d+)", self.what)
        return int(found[1]) if found else None

    @property
    def leader(self):
        """Who leads, by what was told."""
        found = re.search(r"(\S+) leads\b", self.what)
        return found[1] if found else None


@dataclass(frozen=True)
class Failover:
    killed: str
    elected: str
    term: int
    lease_ms: float
    heartbeat_ms: float
    events: tuple
    acknowledged_ms: tuple
    acknowledged: int
    lost: int
    gap_ms: float

    @property
    def gap(self):
        """The longest time without an acknowledgement that ended after the kill: from, to."""
        times = self.acknowledged_ms
        gaps = [(b - a, a, b) for a, b in zip(times, times[1:]) if b > 0]
        if not gaps:
            raise TraceError("failover.acknowledged_ms: there is nothing before or after the kill")
        return max(gaps)[1:]

    @property
    def elected_ms(self):
        """When the one was elected who led in the end."""
        times = [
            event.ms for event in self.events
            if event.event == "elected" and event.who == self.elected and event.ms >= 0
        ]
        if not times:
            raise TraceError(f"failover.events: nowhere is {self.elected} elected")
        return max(times)


@dataclass(frozen=True)
class Trace:
    version: str
    build: str
    date: str
    cores: int
    write: Write
    failover: Failover


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError) as error:
        raise TraceError(f"{path}: {error}") from error
    try:
        return _trace(data)
    except KeyError as error:
        raise TraceError(f"{path}: the key {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise TraceError(f"{path}: {error}") from error


def _trace(data):
    write, failover = data["write"], data["failover"]
    trace = Trace(
        version=data["version"],
        build=data["build"],
        date=data["date"],
        cores=data["cores"],
        write=Write(
            revision=write["revision"],
            leader=write["leader"],
            steps=tuple(
                Step(float(step["us"]), step["who"], step["what"]) for step in write["steps"]
            ),
            median_us=float(write["median_us"]),
            of=write["of"],
        ),
        failover=Failover(
            killed=failover["killed"],
            elected=failover["elected"],
            term=failover["term"],
            lease_ms=float(failover["lease_ms"]),
            heartbeat_ms=float(failover["heartbeat_ms"]),
            events=tuple(
                Event(float(event["ms"]), event["who"], event["event"], event["what"])
                for event in failover["events"]
            ),
            acknowledged_ms=tuple(sorted(float(ms) for ms in failover["acknowledged_ms"])),
            acknowledged=failover["acknowledged"],
            lost=failover["lost"],
            gap_ms=float(failover["gap_ms"]),
        ),
    )
    _check(trace)
    return trace


def _check(trace):
    begin, end = trace.failover.gap
    if abs(end - begin - trace.failover.gap_ms) > 2 + 0.01 * trace.failover.gap_ms:
        raise TraceError(
            f"failover.gap_ms says {trace.failover.gap_ms}, but the longest pause in "
            f"failover.acknowledged_ms has {end - begin:.1f} ms"
        )
    write = trace.write
    for who, what in (("client", "sent"), ("client", "acknowledged"), (write.leader, "proposed")):
        if write.at(who, what) is None:
            raise TraceError(f"write.steps: {who} has no step {what!r}")
    if len(write.synced) < write.majority:
        raise TraceError("write.steps: the change is synced on no majority")
