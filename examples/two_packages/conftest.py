"""One strategy for both packages: its hooks are registered here, its fixtures in each of them."""

pytest_plugins = ["project.testing.restore"]
