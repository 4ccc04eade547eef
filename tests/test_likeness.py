"""The test database is like the original: its encoding, locale and settings, and its extensions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests.runs import IMPORTS, run, schema
from tests.servers import Server, databases, query

HOW_MADE = ["rollback", "template", "restore"]  # made and migrated; made, migrated and cloned
THING = "CREATE TABLE thing (id int)"
NAME = "likeness"


@contextmanager
def original(server: Server, options: str = "", role: str = "postgres") -> Iterator[str]:
    """Make an original with options of CREATE DATABASE; see in the end that nothing is left."""
    before = databases(server.url)
    url = server.url.set(database=NAME)
    if role != server.url.username:
        query(server.url, f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'word'")
        url, options = url.set(username=role, password="word"), f"{options} OWNER {role}"
    query(server.url, f"CREATE DATABASE {NAME} {options}")
    dsn = url.render_as_string(hide_password=False)
    try:
        yield dsn
    finally:
        run_async(drop_templates(dsn))
        query(server.url, f"DROP DATABASE {NAME} WITH (FORCE)")
        if role != server.url.username:
            query(server.url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert databases(server.url) == before


def sees(statement: str, expected: object) -> str:
    """Return two tests that see something in the test database, the second after a change."""
    return f"""{IMPORTS}
@pytest.mark.parametrize("n", range(2))
async def test_sees(db, n):
    assert await query(db, {statement!r}) == [{expected!r}]
    await query(db, "CREATE TABLE more_{{}} (id int)".format(n))
"""


@pytest.mark.parametrize("strategy", HOW_MADE)
@pytest.mark.parametrize(
    ("options", "looks_up", "expected"),
    [
        ("ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'", "pg_encoding_to_char(encoding)", "LATIN1"),
        ("LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'", "datcollate || datctype", "CC.UTF-8"),
        ("LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C'", "datlocprovider::text", "i"),
    ],
    ids=["encoding", "locale", "provider"],
)
def test_encoding_and_locale(
    options: str,
    looks_up: str,
    expected: str,
    strategy: str,
    password_server: Server,
    tmp_path: Path,
) -> None:
    icu = query(password_server.url, "SELECT 1 FROM pg_collation WHERE collname = 'de-x-icu'")
    if "icu" in options and not icu:
        pytest.skip("this server is built without ICU")
    (tmp_path / "conftest.py").write_text(schema(THING))
    looks = f"SELECT {looks_up} FROM pg_database WHERE datname = current_database()"
    with original(password_server, f"TEMPLATE template0 {options}") as dsn:
        run(tmp_path, strategy, dsn, sees(looks, (expected,)))


@pytest.mark.parametrize("strategy", HOW_MADE)
@pytest.mark.parametrize("role", ["postgres", "plain"])
def test_settings_of_the_original_and_of_the_migrations(
    role: str, strategy: str, password_server: Server, tmp_path: Path
) -> None:
    """Those that the role may not make are missing, and the log says which."""
    made = (
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.thing (id int)",
        "DO $$ BEGIN EXECUTE format("
        "'ALTER DATABASE %I SET work_mem = ''77kB''', current_database()); END $$",
    )
    (tmp_path / "conftest.py").write_text(schema(*made))
    set_here = (
        "SELECT current_setting('search_path'), current_setting('DateStyle'),"
        " current_setting('work_mem'), current_setting('app.tenant', true),"
        " to_regclass('thing') IS NOT NULL"
    )
    mine = "it's 100% ü" if role == "postgres" else None
    expected = ('"$user", shop, "Odd, name"', "German, DMY", "77kB", mine, True)
    log = tmp_path / "log"
    with original(password_server, role=role) as dsn:
        query(
            password_server.url,
            f"""ALTER DATABASE {NAME} SET search_path = "$user", shop, "Odd, name" """,
            f"ALTER DATABASE {NAME} SET DateStyle = 'German, DMY'",
            f"ALTER DATABASE {NAME} SET app.tenant = 'it''s 100% ü'",
        )
        run(tmp_path, strategy, dsn, sees(set_here, expected), f"--log-file={log}")
    refused = f"{NAME}_test has not the setting app.tenant of {NAME}: your role may not."
    assert (refused in log.read_text()) is (role == "plain")


@pytest.mark.parametrize("strategy", HOW_MADE)
@pytest.mark.parametrize("role", ["postgres", "plain"])
def test_an_extension_that_only_the_original_has(
    role: str, strategy: str, password_server: Server, tmp_path: Path
) -> None:
    """It is created where the role may, and else named."""
    untrusted = query(
        password_server.url,
        "SELECT name FROM pg_available_extension_versions WHERE NOT trusted AND superuser"
        " AND name IN ('vector', 'pageinspect')",
    )
    if not untrusted:
        pytest.skip("this server has no extension that asks for a superuser")
    (name,) = untrusted[0]
    needs = {
        "vector": "CREATE TABLE thing (place vector(3))",
        "pageinspect": "CREATE TABLE thing AS SELECT * FROM page_header(get_raw_page('seen', 0))",
    }
    before = ["CREATE TABLE IF NOT EXISTS seen AS SELECT 1 AS id"] if name == "pageinspect" else []
    conftest = schema(*before, needs[name])
    # What a test overrides of `upgrade_schema`, it does itself: the strategy's own adds extensions.
    made = conftest.partition('@pytest.fixture(scope="session")\ndef upgrade_schema')[0]
    (tmp_path / "conftest.py").write_text(made)
    versions = tmp_path / "scripts" / "versions"
    versions.mkdir(parents=True)
    (versions / "one.py").write_text(
        "from alembic import op\nrevision, down_revision = 'one', None\n"
        f"def upgrade():\n    for it in {[*before, needs[name]]!r}:\n        op.execute(it)\n"
        "def downgrade():\n    op.execute('DROP TABLE thing')\n"
    )
    (tmp_path / "scripts" / "env.py").write_text(
        "from alembic import context\nfrom sqlalchemy import create_engine, pool\n"
        "url = context.config.get_main_option('sqlalchemy.url').replace('asyncpg', 'psycopg')\n"
        "engine = create_engine(url, poolclass=pool.NullPool)\n"
        "with engine.connect() as connection:\n"
        "    context.configure(connection=connection)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n"
    )
    allowed = role == "postgres"
    source = sees(f"SELECT count(*) FROM pg_extension WHERE extname = '{name}'", (1,))
    with original(password_server, role=role) as dsn:
        there = make_url(password_server.url).set(database=NAME)
        query(there, f"CREATE EXTENSION {name}")
        said = run(tmp_path, strategy, dsn, source, status=0 if allowed else 1)
    if not allowed:
        line = f"extensions of '{NAME}' can't be created in '{NAME}_test': {name}: permission"
        assert line in " ".join(said.split())
        assert "Traceback" not in said
