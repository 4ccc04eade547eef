# not yet: a password with a `%` breaks it
my_line = """\
if not config.get_main_option("sqlalchemy.url"):
    config.set_main_option("sqlalchemy.url", settings.database_url)
"""
