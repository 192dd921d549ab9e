"""Motion features -> joint positions, or local rotations: torch, any leading dimensions, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from sopo.errors import UserError
from sopo.motion.features import feature_slices
from sopo.motion.skeleton import Skeleton

SMALL = 1e-8  # a length that a vector is divided by at least


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
    return torch.cat((_about_y(2 * half)[..., None, :, :], orthonormal(columns)), dim=-3), root


def orthonormal(columns: Tensor) -> Tensor:
    """Two columns [..., 3, 2] -> rotations [..., 3, 3] by Gram-Schmidt; finite where they are zero, as in padding."""
    first, second = columns.unbind(-1)
    x = first / first.norm(dim=-1, keepdim=True).clamp(min=SMALL)
    y = second - (x * second).sum(-1, keepdim=True) * x
    y = y / y.norm(dim=-1, keepdim=True).clamp(min=SMALL)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)


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


def _about_y(angle: Tensor) -> Tensor:
    """Angles [...] -> rotations [..., 3, 3] about the vertical axis."""
    c, s, zero, one = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack((c, zero, s, zero, one, zero, -s, zero, c), dim=-1).unflatten(-1, (3, 3))


def _one_later(values: Tensor) -> Tensor:
    """[..., T, k] shifted by one frame, zeros first: a frame's velocity leads to the next frame."""
    return torch.cat((torch.zeros_like(values[..., :1, :]), values[..., :-1, :]), dim=-2)


def _turn_back(half: Tensor, points: Tensor) -> Tensor:
    """Points [..., 3] turned from the heading into the world, in the published order of operations."""
    c, s = torch.cos(half), -torch.sin(half)
    x, y, z = points.unbind(-1)
    across, along = s * z, -s * x
    return torch.stack((x + 2 * (c * across + s * along), y, z + 2 * (c * along - s * across)), dim=-1)
