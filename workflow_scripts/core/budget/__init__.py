"""What a run costs, before it spends: work from the configuration, throughputs, prices, and what follows."""
