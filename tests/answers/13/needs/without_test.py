# not yet: `it_is_added_once` is no test
my_needs = {
    "test_it_is_listed": "drill",
    "it_is_added_once": "drill",
    "nobody_has_it": "drill",
}
