"""Names from files, read with anyio."""
