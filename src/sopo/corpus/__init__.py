"""The procedural corpus: motions of known meaning, captions, and rules that decide meaning from joints alone."""
