"""Time in the simulator, and waiting for it: a real clock, and a virtual one that waits cost nothing by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Answer = TypeVar("Answer")
PATIENCE = 120.0
"""Real seconds that a thread waits for other threads of the simulator to go on."""


class Clock:
    """The real clock, and the re-entrant lock that guards the whole world.

    `time_scale` is the factor for durations of simulated work; 0 means that work takes no time. `generation` counts
    the resets; threads of an older generation end.
    """

    virtual = False

    def __init__(self, time_scale: float) -> None:
        self.time_scale = self._first_scale = time_scale
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.generation = 0
        self._active = 0  # background threads that are not waiting
        self._thread = threading.local()

    def renewed(self) -> Clock:
        """A clock for a new world, with the time scale that this one began with."""
        return Clock(self._first_scale)

    def now(self) -> float:
        """The current time in seconds since the epoch."""
        return time.time()

    def scaled(self, seconds: float) -> float:
        """The length in seconds that simulated work of `seconds` takes here."""
        return seconds * self.time_scale

    def as_told(self, seconds: float) -> float:
        """The length of a duration that a condition or a parameter names: time scale 0 does not shorten it."""
        return seconds * self.time_scale if self.time_scale else seconds

    def wait_for(self, ready: Callable[[], Answer], seconds: float | None) -> Answer:
        """Release the lock until `ready` returns something true, for at most `seconds`. Returns its last result."""
        self._settle()
        return self.changed.wait_for(ready, timeout=seconds)

    def _settle(self) -> None:
        """Tell whoever started this background thread that it has got to its first wait."""
        if (settled := getattr(self._thread, "settled", None)) is not None and not settled.is_set():
            settled.set()
            self.changed.notify_all()

    def wait_for_threads(self, ready: Callable[[], Answer]) -> Answer:
        """Wait for other threads of the simulator to go on. No simulated time passes meanwhile."""
        return self.changed.wait_for(ready, timeout=PATIENCE)

    def poke(self) -> None:
        """Wake all waiting threads, so that each evaluates its condition again."""
        self.changed.notify_all()

    def alarm(self, seconds: float) -> None:
        """Wake all waiting threads in so many seconds."""
        timer = threading.Timer(seconds + 0.01, self._ring)
        timer.daemon = True
        timer.start()

    def _ring(self) -> None:
        with self.lock:
            self.poke()

    def spawn(self, work: Callable[[], None], name: str) -> threading.Event:
        """Run `work` in a background thread that holds the lock except while it waits.

        Returns an event that is set once the thread has got to its first wait, or has ended.
        """
        settled = threading.Event()

        def run() -> None:
            with self.lock:
                self._thread.settled = settled
                try:
                    work()
                finally:
                    self._active -= 1
                    settled.set()
                    self.poke()

        self._active += 1
        threading.Thread(target=run, name=name, daemon=True).start()
        return settled

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass. On the real clock this waits."""
        with self.lock:
            self.wait_for(lambda: False, seconds)

    def advance_to(self, moment: float) -> None:
        """Let time pass until a time in seconds since the epoch; a time that has passed changes nothing."""
        self.advance(max(0.0, moment - self.now()))


@dataclass(eq=False)
class Waiter:
    """A background thread that waits for a condition or a moment."""

    ready: Callable[[], Any]
    deadline: float
    wake: threading.Condition


class VirtualClock(Clock):
    """A clock that stands still until somebody moves it.

    Background threads (workers of tasks) wait for moments of this clock. Any other thread that waits, such as that of
    a request or of a test, moves the clock from one of these moments to the next until its own condition holds or its
    time is up: no real time passes, and everything happens in order.
    """

    virtual = True

    def __init__(self, begins_at: float) -> None:
        super().__init__(1.0)
        self._now = begins_at
        self._waiters: list[Waiter] = []
        self._alarms: list[float] = []
        self.listeners: list[Callable[[float], None]] = []
        """Functions called with the new time in seconds since the epoch, each time that the clock moves."""

    def renewed(self) -> Clock:
        """A clock that goes on from the same time, with the same listeners."""
        found = VirtualClock(self._now)
        found.listeners = self.listeners
        return found

    def now(self) -> float:
        """The virtual time in seconds since the epoch."""
        return self._now

    def wait_for(self, ready: Callable[[], Answer], seconds: float | None) -> Answer:
        """Wait in virtual time. Without a limit only another thread can end the wait."""
        if getattr(self._thread, "settled", None) is not None:
            return self._wait_in_background(ready, seconds)
        if seconds is None:
            return self.wait_for_threads(ready)
        return self._move_until(ready, self._now + seconds)

    def _wait_in_background(self, ready: Callable[[], Answer], seconds: float | None) -> Answer:
        deadline = float("inf") if seconds is None else self._now + seconds
        waiter = Waiter(ready, deadline, threading.Condition(self.lock))
        self._waiters.append(waiter)
        self._active -= 1
        self._settle()
        self.changed.notify_all()
        try:
            while not self._is_due(waiter):
                waiter.wake.wait()
        finally:
            self._waiters.remove(waiter)
            self._active += 1
        return ready()

    def _is_due(self, waiter: Waiter) -> bool:
        return waiter.deadline <= self._now or bool(waiter.ready())

    def _move_until(self, ready: Callable[[], Answer], end: float) -> Answer:
        """Move the clock to `end`, stopping at each moment for which a thread waits, until `ready` holds."""
        while True:
            self.poke()
            self.changed.wait_for(self._is_quiet, timeout=PATIENCE)
            found = ready()
            if found or self._now >= end:
                return found
            moments = [waiter.deadline for waiter in self._waiters] + self._alarms
            self._set(min([end, *(moment for moment in moments if moment > self._now)]))

    def _is_quiet(self) -> bool:
        """Whether all background threads wait for something that is not so yet."""
        return not self._active and not any(map(self._is_due, self._waiters))

    def _set(self, moment: float) -> None:
        self._now = moment
        self._alarms = [one for one in self._alarms if one > moment]
        for listener in list(self.listeners):
            listener(moment)

    def poke(self) -> None:
        """Wake the background threads whose condition holds or whose time is up, in the order of their waiting."""
        self.changed.notify_all()
        for waiter in list(self._waiters):
            if self._is_due(waiter):
                waiter.wake.notify()

    def alarm(self, seconds: float) -> None:
        """See Clock.alarm."""
        self._alarms.append(self._now + seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock on by so many seconds; everything that falls due meanwhile happens in order."""
        with self.lock:
            self._move_until(lambda: False, self._now + seconds)
