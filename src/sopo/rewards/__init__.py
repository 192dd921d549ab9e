"""What a motion is worth for a caption: learned matchers, physics, and sums of them."""
