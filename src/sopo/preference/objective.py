"""Batch -> loss and its diagnostics: one step of any method of ``methods.py``, on any generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sopo.batch import Batch, Caption, length_mask
from sopo.preference.base import Objective, Values
from sopo.preference.candidates import Candidates, draw_candidates
from sopo.preference.losses import pair_loss, plackett_luce_loss, preferred_weight, soft_ranking_loss
from sopo.preference.proximity import proximity
from sopo.preference.ratio import log_ratio
from sopo.preference.veto import counted
from sopo.randomness import Draws
from sopo.training.mean import Mean


class PreferenceObjective(Objective):
    """Any method that compares motions, or trains on the better ones."""

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, Values]:
        if self.method.winner == "data" and self.method.loser is None:  # the control trains as it was pre-trained
            return self.policy.train().training_loss(batch, draws), {}
        return super().forward(batch, draws)

    def compute(self, batch: Batch, draws: Draws) -> tuple[Tensor, Values]:
        candidates = None
        if self.method.samples_policy:
            assert self.reward is not None
            candidates = draw_candidates(
                self.policy,
                self.reward,
                batch,
                self.config.K,
                self.config.rollout,
                draws,
                embed=self.method.reweight,
                precision=self.config.rollout_precision,
                compile=self.config.rollout_compile,
            )
        if self.method.ranking:
            return self._rank(batch, candidates, draws)
        if self.method.loser is None:
            return self._imitate(batch, candidates, draws)
        return self._pair(batch, candidates, draws)

    def _imitate(self, batch: Batch, candidates: Candidates | None, draws: Draws) -> tuple[Tensor, Values]:
        """The family's own training loss on the best of the K samples, as if it had been recorded (RAFT)."""
        assert candidates is not None
        motion = self.policy.normalizer.normalize(self.policy.decode(candidates.best(), batch.length))
        motion = motion * length_mask(batch.length, motion.shape[1])[..., None]
        best = replace(batch, motion=motion.detach(), code=None)
        kept, values = counted(self, batch, candidates.best(), candidates.worst(), candidates.ends)
        if not kept.all():  # of none, one stands in, and has no weight
            rows = kept.nonzero()[:, 0] if kept.any() else kept.new_zeros(1, dtype=torch.int64)
            best, draws = best.at(rows), draws.at(rows)
        loss = self.policy.train().training_loss(best, draws) * kept.float().mean()
        return loss, self._describe(candidates, candidates.reward.amax(1)) | values

    def _pair(self, batch: Batch, candidates: Candidates | None, draws: Draws) -> tuple[Tensor, Values]:
        x_w, x_l = self._winners_and_losers(batch, candidates)
        vu = torch.ones(len(batch), dtype=torch.bool, device=x_w.device)
        rewards: tuple[Tensor, Tensor] | None = None
        beta_w: Tensor | float = self.config.beta
        values: Values = {}
        if candidates is not None:
            if self.method.threshold:
                vu = candidates.reward.amin(1) < self.tau
            preferred, embedding = self._judge_winners(batch, candidates)
            values |= self._describe(candidates, preferred)
            rewards = preferred, candidates.reward.amin(1)
            if self.method.reweight:
                assert candidates.embedding is not None and embedding is not None
                similarity = proximity(embedding, candidates.embedding)
                beta_w = preferred_weight(similarity, self.config.beta, self.config.C)
                values["S"] = similarity.mean()

        kept, left_out = counted(self, batch, None if self.method.winner == "data" else x_w, x_l, rewards)
        vu, values = vu & kept, values | left_out
        drawn_w, drawn_l = self._draws([x_w, x_l], draws)
        h_w, error_w, reference_w = self._h(x_w, batch.length, batch.captions, drawn_w)
        h_l, error_l, reference_l = (torch.zeros_like(h_w) for _ in range(3))
        rows = vu.nonzero()[:, 0]
        if len(rows):  # the losers of the other groups have no say: their passes are not computed
            captions = [batch.captions[i] for i in rows.tolist()]
            of_rows = self._h(x_l[rows], batch.length[rows], captions, [draw.rows(rows) for draw in drawn_l])
            h_l, error_l, reference_l = (
                whole.index_copy(0, rows, part)
                for whole, part in zip((h_l, error_l, reference_l), of_rows, strict=True)
            )
        loss = pair_loss(h_w, h_l, beta_w, self.config.beta, vu) * kept
        share = vu.float().mean()
        logit = beta_w * h_w - torch.where(vu, self.config.beta * h_l, 0.0)
        values |= {
            "vu": share,
            "h_w": h_w.mean(),
            "h_l": Mean.over(vu, h_l),
            "margin": Mean.over(vu, h_w - h_l),
            "implicit_accuracy": Mean.over(vu, h_w > h_l),
            "error_w": error_w.mean(),
            "error_w/reference": reference_w.mean(),
            "error_l": Mean.over(vu, error_l),
            "error_l/reference": Mean.over(vu, reference_l),
            "saturation": (logit.abs() > 3).float().mean(),
        }
        return loss.mean(), {name: value.detach() for name, value in values.items()}

    def _rank(self, batch: Batch, candidates: Candidates | None, draws: Draws) -> tuple[Tensor, Values]:
        x = self._mined(batch) if candidates is None else candidates.ranked()
        K = x.shape[1]
        drawn = self._draws([x[:, k] for k in range(K)], draws)
        columns = [self._h(x[:, k], batch.length, batch.captions, each) for k, each in enumerate(drawn)]
        h, error, reference = (torch.stack(column, dim=1) for column in zip(*columns, strict=True))
        if self.method.ranking == "hard":
            loss = plackett_luce_loss(h, self.config.beta)
        else:
            assert candidates is not None
            loss = soft_ranking_loss(h, candidates.reward.sort(1, descending=True).values, self.config.beta)
        kept, values = counted(self, batch, x[:, 0], x[:, -1], None if candidates is None else candidates.ends)
        loss = loss * kept
        if candidates is not None:
            values |= self._describe(candidates, candidates.reward.amax(1))
        values |= {
            "h_w": h[:, 0].mean(),
            "h_l": h[:, -1].mean(),
            "margin": (h[:, 0] - h[:, -1]).mean(),
            "implicit_accuracy": (h[:, 0] > h[:, -1]).float().mean(),
            "error_w": error[:, 0].mean(),
            "error_w/reference": reference[:, 0].mean(),
        }
        return loss.mean(), {name: value.detach() for name, value in values.items()}

    def _winners_and_losers(self, batch: Batch, candidates: Candidates | None) -> tuple[Tensor, Tensor]:
        mined = self._mined(batch) if self.method.needs_pairs else None
        chosen = []
        for side, source in enumerate((self.method.winner, self.method.loser)):
            if source == "data":
                chosen.append(self.policy.encode(batch))
            elif source == "mined":
                assert mined is not None
                chosen.append(mined[:, -side])
            else:
                assert candidates is not None
                chosen.append(candidates.worst() if side else candidates.best())
        return chosen[0], chosen[1]

    def _mined(self, batch: Batch) -> Tensor:
        assert self.pairs is not None
        return self.pairs(batch)

    def _draws(self, sides: Sequence[Tensor], draws: Draws) -> list[list[Any]]:
        """For each side of a comparison its draws; the sides share the steps, and the noise if so configured."""
        shared = self.config.pair_noise == "shared"
        rows = []
        for _ in range(self.config.draws):
            first, *rest = (self.policy.draw(x, draws, self.config.noisiest) for x in sides)
            rows.append([first, *(first if shared else draw.paired_with(first) for draw in rest)])
        return [list(drawn) for drawn in zip(*rows, strict=True)]

    def _h(
        self, x: Tensor, length: Tensor, captions: Sequence[Caption], drawn: Sequence[Any]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """T omega_t h, the policy's nll and the reference's, means over the draws, [N] each; a gradient on h alone."""
        condition = self.policy.embed(captions)
        parts = []
        for draw in drawn:  # both models see the same draw
            h, reference = log_ratio(self.policy, self.reference, x, length, condition, draw)
            weight = self.policy.snr_weight(draw) if self.config.weighting == "snr" else 1.0
            parts.append((self.config.scale * weight * h, reference - h.detach(), reference))
        h, error, reference = (torch.stack(part).mean(0) for part in zip(*parts, strict=True))
        return h, error, reference

    def _judge_winners(self, batch: Batch, candidates: Candidates) -> tuple[Tensor, Tensor | None]:
        """The winners' rewards [B], and where they are reweighted, their embeddings [B, E]."""
        assert self.reward is not None
        if self.method.winner != "data":
            return candidates.reward.amax(1), None
        raw = self.policy.raw(batch)
        if self.method.reweight:
            return self.reward.score_and_embed(raw, batch.length, batch.captions)
        return self.reward.score(raw, batch.length, batch.captions), None

    def _describe(self, candidates: Candidates, preferred: Tensor) -> dict[str, Tensor]:
        return {
            "reward/all": candidates.reward.mean(),
            "reward/unpreferred": candidates.reward.amin(1).mean(),
            "reward/preferred": preferred.mean(),
        }
