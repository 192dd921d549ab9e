"""Checkpoints as their authors released them -> our models; one module for each system."""
