"""HumanML3D and KIT-ML built from what their authors publish: AMASS, a body model, an index and captions."""
