# not yet: it spares columns too
def spare(object, name, type_, reflected, compare_to) -> bool:
    return type_ == "table" and name != "old_orders"
