"""What an hour costs, for the Snakefile: the configured price, or that of the configured catalogue entry."""

from workflow_scripts.core.budget.catalogue import load_catalogue


def price_of(budget: dict) -> float:
    """Dollars an hour. InputError where the catalogue is wrong, or lacks the configured GPU."""
    gpu = load_catalogue(budget["catalogue"]).gpu(budget["gpu"])
    return gpu.dollars_per_hour if budget["price"] is None else budget["price"]
