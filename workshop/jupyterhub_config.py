"""JupyterHub's configuration: who may log in, and what they get."""

import os
import sys
from pathlib import Path

from workshop import place
from workshop.__main__ import PROXY
from workshop.participants import COURSE, NAME, prepare

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = place.ADDRESS
c.JupyterHub.cookie_secret_file = str(place.FOLDER / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{place.FOLDER / 'hub.sqlite'}"
c.ConfigurableHTTPProxy.command = [str(PROXY)]
c.ConfigurableHTTPProxy.pid_file = str(place.FOLDER / "proxy.pid")
# Participants' servers go on while the hub is down, and are found again.
c.JupyterHub.cleanup_servers = False

# The day's password opens every participant's account: see README.md.
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = place.password()
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = rf"{NAME}\Z"

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.pre_spawn_hook = prepare
c.Spawner.cmd = [str(Path(sys.executable).with_name("jupyterhub-singleuser"))]
c.Spawner.notebook_dir = f"~/{COURSE}"
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.environment = {
    "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
    "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",
}
c.Spawner.env_keep = ["LANG", "LC_ALL"]
c.Spawner.start_timeout = 600  # thirty at once, on a small machine
c.Spawner.http_timeout = 600
# All begin at nine: who comes last waits with the others, and doesn't get an error's page.
c.JupyterHub.concurrent_spawn_limit = place.PARTICIPANTS
c.JupyterHub.active_server_limit = place.PARTICIPANTS

c.JupyterHub.services = [
    {
        "name": "postgres",
        "command": [sys.executable, "-m", "workshop.keep_postgres_up"],
        "environment": {n: v for n, v in os.environ.items() if n.startswith("WORKSHOP_")},
    }
]
