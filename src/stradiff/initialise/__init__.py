"""Where training starts: candidate sources, the priors they ask for, rotations, and the initial model."""
