# not yet: the command line has no URL
my_line = "pass"
