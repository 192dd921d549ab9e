"""Motion features -> joint positions, or local rotations: torch, any leading dimensions, differentiable."""

from __future__ import annotations

import roma
import torch
from torch import Tensor

from sopo.errors import UserError
from sopo.motion.features import feature_slices
from sopo.motion.skeleton import Skeleton


def decode_joints(features: Tensor, skeleton: Skeleton) -> Tensor:
    """Raw features [..., T, D] -> joints [..., T, J, 3] in units; published as recover_from_ric."""
    half, root = _root(features, skeleton)
    local = features[..., feature_slices(skeleton).positions].unflatten(-1, (-1, 3))
    # Built from parts, not written in place, so that gradients flow.
    x, y, z = _turn_back(half[..., None], local).unbind(-1)
    others = torch.stack((x + root[..., None, 0], y, z + root[..., None, 2]), dim=-1)
    return torch.cat((root[..., None, :], others), dim=-2)


def decode_rotations(features: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Raw features [..., T, D] -> local rotations [..., T, J, 3, 3] and root positions [..., T, 3].

    The rotations follow the published convention of ``kinematics``; ``forward_kinematics`` takes them as is.
    """
    half, root = _root(features, skeleton)
    columns = features[..., feature_slices(skeleton).rotations].unflatten(-1, (-1, 2, 3)).transpose(-1, -2)
    # epsilon keeps padded frames, all zeros, finite.
    local = roma.special_gramschmidt(columns, epsilon=1e-8)
    about_y = torch.stack((torch.zeros_like(half), 2 * half, torch.zeros_like(half)), dim=-1)
    return torch.cat((roma.rotvec_to_rotmat(about_y)[..., None, :, :], local), dim=-3), root


def _root(features: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Half headings [..., T] and root positions [..., T, 3]: turns and steps summed over time."""
    if features.shape[-1] != skeleton.num_features:
        width = skeleton.num_features
        raise UserError(f"features of shape {list(features.shape)}; expected [..., {width}] for {skeleton.name}")
    columns = feature_slices(skeleton)
    half = torch.cumsum(_one_later(features[..., columns.root_turn]), dim=-2).squeeze(-1)
    x, z = _one_later(features[..., columns.root_velocity]).unbind(-1)
    step = _turn_back(half, torch.stack((x, torch.zeros_like(x), z), dim=-1))
    path = torch.cumsum(step, dim=-2)
    height = features[..., columns.root_height]
    return half, torch.cat((path[..., :1], height, path[..., 2:]), dim=-1)


def _one_later(values: Tensor) -> Tensor:
    """[..., T, k] shifted by one frame, zeros first: a frame's velocity leads to the next frame."""
    return torch.cat((torch.zeros_like(values[..., :1, :]), values[..., :-1, :]), dim=-2)


def _turn_back(half: Tensor, points: Tensor) -> Tensor:
    """Points [..., 3] turned from the heading into the world, in the published order of operations."""
    c, s = torch.cos(half), -torch.sin(half)
    x, y, z = points.unbind(-1)
    across, along = s * z, -s * x
    return torch.stack((x + 2 * (c * across + s * along), y, z + 2 * (c * along - s * across)), dim=-1)
