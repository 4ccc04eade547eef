# not yet: it spares other tables too
def spare(object, name, type_, reflected, compare_to) -> bool:
    return not reflected
