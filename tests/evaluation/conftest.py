"""A small data set on disk and a matcher that needs no training."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from sopo.data.dataset import MotionDataset

WIDTH = 263


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """74 clips of 44..91 frames: each constant at a point of its own, its captions ending in its number."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part in ("new_joint_vecs", "texts"):
        (root / part).mkdir()
    keys = [f"{i:06d}" for i in range(74)]
    for i, key in enumerate(keys):
        motion = np.tile(0.1 * rng.normal(size=WIDTH), (int(rng.integers(44, 92)), 1))
        np.save(root / "new_joint_vecs" / f"{key}.npy", motion.astype(np.float32))
        lines = [f"a person does {i}#person/NOUN#0.0#0.0", f"somebody does {i}#person/NOUN#0.0#0.0"]
        (root / "texts" / f"{key}.txt").write_text("\n".join(lines) + "\n")
    (root / "test.txt").write_text("\n".join(keys) + "\n")
    np.save(root / "Mean.npy", rng.normal(size=WIDTH).astype(np.float32))
    np.save(root / "Std.npy", rng.uniform(0.5, 2, WIDTH).astype(np.float32))
    return MotionDataset(root, "test")


@dataclass
class MeanMatcher:
    """Embeds a motion by its mean over time, a caption by the mean of the clip whose number it ends in."""

    means: torch.Tensor
    asked: list

    def embed_motions(self, motions, length):
        return motions.sum(1) / length[:, None]

    def embed_texts(self, captions):
        self.asked += captions
        return self.means[[int(caption.text.split()[-1]) for caption in captions]]


@pytest.fixture
def matcher(dataset):
    by_key = {item.key: torch.from_numpy(item.features.mean(0)) for item in dataset.items}
    return MeanMatcher(torch.stack([by_key[key] for key in sorted(by_key)]), [])
