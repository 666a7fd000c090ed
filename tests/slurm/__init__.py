"""A real Slurm on one machine, with emulated nodes, for the tests."""
