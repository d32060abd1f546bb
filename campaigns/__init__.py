"""What we do, and what it did."""
