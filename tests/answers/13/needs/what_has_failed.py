# not yet: not its reason
my_needs = {
    "test_it_is_listed": "drill",
    "test_it_is_added_once": "drill",
    "test_it_is_lent": "drill",
    "test_it_is_lent_once": "lent",
    "test_somebody_has_it": "lent",
    "test_it_comes_back": "lent",
    "test_it_is_removed": "lent",
}
