"""Motion folders: the HumanML3D / KIT-ML layout on disk, what training reads of it, and importers into it."""
