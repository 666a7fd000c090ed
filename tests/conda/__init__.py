"""A conda for the tests: a local channel, the command that Snakemake calls, CPU builds of CUDA packages."""
