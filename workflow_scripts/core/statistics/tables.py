"""The paired 2x2 table: how two arms did on the identical items."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PairedTable:
    """Counts of items by who succeeds; at least one item. Difference means candidate minus baseline."""

    both: int
    only_baseline: int
    only_candidate: int
    neither: int

    @property
    def n(self) -> int:
        """Number of items."""
        return self.both + self.only_baseline + self.only_candidate + self.neither

    @property
    def discordant(self) -> int:
        """Number of items on which the arms disagree."""
        return self.only_baseline + self.only_candidate

    @property
    def baseline_successes(self) -> int:
        """Number of items that the baseline solves."""
        return self.both + self.only_baseline

    @property
    def candidate_successes(self) -> int:
        """Number of items that the candidate solves."""
        return self.both + self.only_candidate

    @property
    def difference(self) -> float:
        """Candidate's success rate minus the baseline's, in [-1, 1]."""
        return (self.only_candidate - self.only_baseline) / self.n

    @property
    def discordance(self) -> float:
        """Share of items on which the arms disagree, in [0, 1]."""
        return self.discordant / self.n

    def swapped(self) -> "PairedTable":
        """The same items with the arms exchanged."""
        return PairedTable(self.both, self.only_candidate, self.only_baseline, self.neither)


def paired_table(baseline: np.ndarray, candidate: np.ndarray) -> PairedTable:
    """Counts two boolean arrays of shape [n] that hold the same items in the same order."""
    return PairedTable(
        both=int(np.sum(baseline & candidate)),
        only_baseline=int(np.sum(baseline & ~candidate)),
        only_candidate=int(np.sum(~baseline & candidate)),
        neither=int(np.sum(~baseline & ~candidate)),
    )
