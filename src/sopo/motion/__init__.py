"""Bodies and their motion: skeletons, the 12 J - 1 features, BVH, retargeting, plausibility."""
