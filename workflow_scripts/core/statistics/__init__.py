"""Paired statistics on true/false outcomes: tests, intervals, resampling, power, many tests at once."""
