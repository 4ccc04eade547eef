# not yet: two workers at once: duplicate key
def create_role(name: str) -> str:
    return f"""
        DO $$ BEGIN
          PERFORM pg_advisory_xact_lock(1);
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
            CREATE ROLE {name};
          END IF;
        END $$
    """
