# not yet: two workers at once: duplicate key
def create_role(name: str) -> str:
    return f"""
        DO $$ BEGIN
          CREATE ROLE {name};
        EXCEPTION WHEN duplicate_object THEN NULL;
        END $$
    """
