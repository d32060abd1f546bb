"""As whom a message is previewed."""

from django.db.models import Q

from customers.models import Customer


def viewer(typed: str) -> Customer | None:
    """The customer meant by a number, an address or a name; with no words, the newest."""
    known = Customer.objects.filter(erased_at=None)
    typed = typed.strip()
    if typed.isdigit():
        return known.filter(pk=int(typed)).first()
    if "@" in typed:
        return known.filter(email__iexact=typed).first()
    if typed:
        first, _space, last = typed.partition(" ")
        named = Q(first_name__istartswith=first)
        named = (
            named & Q(last_name__istartswith=last)
            if last
            else named | Q(last_name__istartswith=first)
        )
        return known.filter(named).order_by("-pk").first()
    return known.exclude(email=None).order_by("-pk").first()
