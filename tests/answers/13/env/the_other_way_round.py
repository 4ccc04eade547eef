# not yet: the fixtures can't migrate
my_line = 'if config.get_main_option("sqlalchemy.url"):\n    ' + LINE
