"""Each method is a row: where its motions come from, whether tau acts, whether the winner is reweighted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError

Source = Literal["data", "policy", "mined"]


@dataclass(frozen=True)
class Method:
    """winner, loser: ``data`` (the real motion), ``policy`` (best / worst of K fresh samples) or ``mined``
    (best / worst of K samples that the pretrained model drew once); a loser of None: none to compare with.
    ranking: compare all K samples, fresh or mined, ``hard`` (Eq. 3) or ``soft`` (Eqs. 5-6), instead of a pair.
    objective: what computes the loss; the gradients of reward and policy compare no pairs.
    threshold: the loser counts only if its reward is under tau. reweight: beta_w instead of beta.
    """

    winner: Source
    loser: Source | None
    threshold: bool = False
    reweight: bool = False
    ranking: Literal["hard", "soft"] | None = None
    objective: Literal["pairs", "reward-gradient", "policy-gradient"] = "pairs"
    paper: str = ""

    @property
    def samples_policy(self) -> bool:
        return "policy" in (self.winner, self.loser)

    def samples(self, K: int) -> int:
        """Motions drawn for a caption in a step."""
        return (1 if self.objective == "reward-gradient" else K) if self.samples_policy else 0

    @property
    def has_groups(self) -> bool:
        """Whether motions of one caption are compared, so that a group can be left out."""
        return self.objective != "reward-gradient" and (self.winner, self.loser) != ("data", None)

    @property
    def needs_motions(self) -> bool:
        """Whether it learns from real motions, or pairs beside them; captions alone do for the others."""
        return "data" in (self.winner, self.loser) or self.needs_pairs

    @property
    def least_samples(self) -> int:
        """K at the least."""
        return 2 if self.ranking or self.objective == "policy-gradient" else 1

    @property
    def needs_pairs(self) -> bool:
        return "mined" in (self.winner, self.loser)


METHODS: dict[str, Method] = {
    "sft": Method("data", None, paper="the control: continued training on the same real motions"),
    "dpo": Method("data", "mined", paper="Eq. 2, offline"),
    "dpo-ranked": Method("mined", "mined", ranking="hard", paper="Eq. 3, offline"),
    "online-dpo": Method("policy", "policy", ranking="hard", paper="Eq. 3 over the online ranking"),
    "online-dpo-soft": Method("policy", "policy", ranking="soft", paper="Eqs. 5-6"),
    "modipo": Method("mined", "mined", paper="Eqs. 7-8; -T or -G by the reward the pairs were mined with"),
    "best-of-n": Method("policy", None, paper="RAFT: continued training on the best of K samples"),
    "reward-gradient": Method("policy", None, objective="reward-gradient", paper="EasyTune; DRaFT-K by last_steps"),
    "policy-gradient": Method("policy", None, objective="policy-gradient", paper="DDPO, Flow-GRPO"),
    "dsopo": Method("data", "policy", paper="Eqs. 9, 12"),
    "sopo-without-vu": Method("data", "policy", reweight=True, paper="Table 4"),
    "usopo": Method("data", "policy", threshold=True, paper="Eq. 13"),
    "sopo": Method("data", "policy", threshold=True, reweight=True, paper="Eqs. 14, 17"),
}


def method_by_name(name: str) -> Method:
    """The row of that name; UserError lists the names."""
    if name not in METHODS:
        raise UserError(f"method {name!r} is unknown: choose one of {', '.join(METHODS)}")
    return METHODS[name]
