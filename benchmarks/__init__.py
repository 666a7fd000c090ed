"""Benchmarks that make runs by hand; their figures are in docs/benchmarks.md."""
