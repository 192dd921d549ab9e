"""The known failure of preference training on diffusion: the winner's error rises with the loser's."""

from __future__ import annotations

from dataclasses import dataclass

from sopo.training.progress import console

MEMORY = 0.95  # of the averages over steps: about 20 of them
MARGIN = 0.08  # above the reference: SoPo as stable peaks near 0.04, what collapses passes 0.1 (docs/objectives.md)


@dataclass
class WinnerGuard:
    """Watches a run's log (``sopo.training.loop.Watch``): is the policy worse than the reference on the winners?

    Adds ``winner_above_reference``, a share of the reference's error, averaged over the last steps: 0 at the
    start, negative where the policy fits the winners better. Warns once; with ``stop`` it also ends the run.
    A resumed run starts its averages anew.
    """

    stop: bool = False
    policy: float = 0.0
    reference: float = 0.0
    seen: int = 0
    warned: bool = False

    def __call__(self, step: int, values: dict[str, float]) -> bool:
        if "error_w" not in values:
            return False
        self.policy += (1 - MEMORY) * (values["error_w"] - self.policy)
        self.reference += (1 - MEMORY) * (values["error_w/reference"] - self.reference)
        self.seen += 1
        above = self.policy / self.reference - 1
        values["winner_above_reference"] = above
        if self.seen * (1 - MEMORY) < 1 or above <= MARGIN:
            return False
        end = "; the run ends here, with the weights of its last checkpoint" if self.stop else ""
        self._warn(f"by step {step}", above, end)
        return self.stop

    def finish(self) -> None:
        """At the end of a run: judge it by the steps there were, where they were fewer than an average asks for."""
        if self.seen and (above := self.policy / self.reference - 1) > MARGIN:
            self._warn(f"over its {self.seen} steps" if self.seen * (1 - MEMORY) < 1 else "at the end", above)

    def _warn(self, when: str, above: float, end: str = "") -> None:
        if not self.warned:
            console.print(
                f"warning: {when} the error on the winners is {above:.1%} above the reference's; the policy "
                f"unlearns what it should prefer: lower --learning_rate or raise --C{end}",
                highlight=False,
                markup=False,
            )
        self.warned = True
