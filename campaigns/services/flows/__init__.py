"""Flows at work: people come in, go from step to step, and leave."""
