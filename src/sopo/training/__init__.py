"""The loop, its checkpoints and its log; knows no model."""
