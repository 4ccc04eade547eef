# not yet: AssertionError: product has kept a row
def my_tables(metadata: MetaData) -> MetaData:
    kept = MetaData()
    for name, table in metadata.tables.items():
        if name == "country":
            table.to_metadata(kept)
    return kept
