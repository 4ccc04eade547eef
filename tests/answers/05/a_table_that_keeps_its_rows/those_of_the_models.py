# not yet: {'visit'} is left out
def my_tables(metadata: MetaData) -> MetaData:
    return Base.metadata
