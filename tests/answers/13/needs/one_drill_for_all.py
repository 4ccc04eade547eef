# not yet: tests fail, because they need something else: test_there_is_no_tool
my_needs = dict.fromkeys(names, "drill")
