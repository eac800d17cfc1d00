"""What a stage is given: the seed, what is known so far, the time that is left."""

import time
from dataclasses import dataclass, field


@dataclass
class Context:
    """`found` is the result so far; `deadline` is in seconds from the start of the stage."""

    seed: int
    deadline: float
    found: dict
    skip: int = 0  # cases that an earlier process of the stage has judged, or crashed at
    notes: list = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def left(self):
        """Seconds until the deadline, less a margin in which to end in order."""
        return self.deadline * 0.9 - (time.monotonic() - self.started)

    def in_time(self, cases):
        """The cases, each printed before it runs, until the time is out; then a note says so."""
        cases = list(cases)[self.skip :]
        for i, case in enumerate(cases):
            if self.left() <= 0:
                self.notes.append(f"out of time: {len(cases) - i} of {len(cases)} cases left out")
                return
            print(case, flush=True)  # the last line of the log names the case that crashed
            yield case

    def memory(self):
        """Bytes of memory of the card that were free at the start."""
        return self.found["env"]["free_memory"]

    def card_cache(self):
        """Bytes of its L2 cache, that of the largest card where it is not known."""
        return self.found["env"].get("l2_bytes") or 60 << 20
