"""What happened, and what we know."""
