"""Domain errors: what went wrong in the domain's words, and the HTTP status it means."""


class DomainError(Exception):
    """A request that the domain refuses; the message says what was found and what was expected."""

    status = 400
    code = "refused"


class NotFound(DomainError):
    status = 404
    code = "not_found"


class Conflict(DomainError):
    """The thing is in a state in which this cannot be done."""

    status = 409
    code = "conflict"
