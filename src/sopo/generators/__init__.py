"""Text-to-motion models behind one contract."""
