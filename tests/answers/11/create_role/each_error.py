# not yet: all errors are caught
def create_role(name: str) -> str:
    return f"""
        DO $$ BEGIN
          CREATE ROLE {name};
        EXCEPTION WHEN OTHERS THEN NULL;
        END $$
    """
