# not yet: old_orders would be dropped
def spare(object, name, type_, reflected, compare_to) -> bool:
    return name == "old_orders"
