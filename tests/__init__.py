"""The project's own tests."""

import sys

# nbformat imports jsonschema, and that this, to check a format that no notebook's schema has: for
# two seconds in each process.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
