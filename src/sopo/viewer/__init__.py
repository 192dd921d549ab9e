"""Pictures and films of motions."""
