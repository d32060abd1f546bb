"""How personal data in campaigns is handed out and erased."""


def register() -> None:
    """Add this app's kinds of personal data to the registry."""
