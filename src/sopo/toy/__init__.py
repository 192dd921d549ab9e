"""Figure 2 as a program: what offline, online and semi-online DPO each push down, on points of the plane."""
