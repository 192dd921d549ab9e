"""The control of any reward: a number of the motion's own bits, which says nothing of it.

PYTHONPATH=benchmarks sopo align ... --reward "chance:chance + 1e-6*shipped/reward"; the second part embeds.
"""

import hashlib

import numpy as np


def chance(features, lengths, captions):
    """Features [N, T, D], lengths [N] frames, N captions -> [N], evenly from 0 to 1."""
    digests = [hashlib.sha256(np.ascontiguousarray(x[:n])).digest() for x, n in zip(features, lengths, strict=True)]
    return [int.from_bytes(digest[:8], "big") / 2**64 for digest in digests]
