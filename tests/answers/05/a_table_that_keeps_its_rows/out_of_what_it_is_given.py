# not yet: AssertionError: what it was given has lost `country`
def my_tables(metadata: MetaData) -> MetaData:
    metadata.remove(metadata.tables["country"])
    return metadata
