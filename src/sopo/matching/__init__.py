"""Joint embeddings of motion and text: what rewards score with, and what evaluation measures with."""
