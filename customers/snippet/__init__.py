"""The script that the shop's pages load, and how its small form is made."""
