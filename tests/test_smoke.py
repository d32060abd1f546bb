import pytest

from customers.models import Customer
from tests.makers import make_cast


@pytest.mark.django_db
def test_the_cast_can_be_made():
    assert set(make_cast()) == {"ada", "bob", "eve", "mallory"}
    assert Customer.objects.count() == 4
