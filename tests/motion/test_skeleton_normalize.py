"""The two bodies, and normalisation."""

import numpy as np
import pytest
import torch

from sopo.errors import UserError
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import HUMANML3D, KIT, SKELETONS, skeleton_by_name, skeleton_for_features


def test_widths_and_names() -> None:
    assert [skeleton.num_features for skeleton in SKELETONS] == [263, 251]
    for skeleton in SKELETONS:
        assert skeleton_by_name(skeleton.name) is skeleton
        assert skeleton_for_features(skeleton.num_features) is skeleton
    with pytest.raises(UserError, match=r"smpl.*humanml3d, kit"):
        skeleton_by_name("smpl")
    with pytest.raises(UserError, match=r"100 features.*263.*251"):
        skeleton_for_features(100)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_tables_fit_together(skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[joint] for joint in mirror] == list(range(skeleton.num_joints))
    assert [mirror[foot] for foot in skeleton.feet] == [*skeleton.feet[2:], *skeleton.feet[:2]]
    for joint, parent in enumerate(skeleton.parents):
        assert parent < joint
        assert mirror[parent] == skeleton.parents[mirror[joint]] or parent < 0
    assert skeleton.rotation_parents[skeleton.chains[3][1]] == 0  # the arms' chains restart at the root
    assert HUMANML3D.mirror[1] == 2 and KIT.mirror[5] == 8


def test_normalizer_returns() -> None:
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=263), rng.uniform(0.1, 2.0, size=263)
    normalizer = Normalizer.from_arrays(mean, std)
    x = torch.randn(2, 7, 263)
    torch.testing.assert_close(normalizer.denormalize(normalizer.normalize(x)), x)
    torch.testing.assert_close(normalizer.normalize(torch.tensor(mean).float()), torch.zeros(263))
    assert set(normalizer.state_dict()) == {"mean", "std"}


def test_bad_statistics_are_named() -> None:
    with pytest.raises(UserError, match="shapes"):
        Normalizer(torch.zeros(3), torch.ones(4))
    for bad in (torch.zeros(3), torch.full((3,), float("nan"))):
        with pytest.raises(UserError, match="positive"):
            Normalizer(torch.zeros(3), bad)
