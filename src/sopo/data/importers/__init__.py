"""Ways into the layout from other archives of motion."""
