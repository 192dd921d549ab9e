"""The preference objectives: pairs, h, losses."""
