"""Starts the workshop's JupyterHub, after a look at what it needs.

sudo make workshop
"""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from project.postgres.users import make_folder
from workshop import place
from workshop.participants import make_group, make_skeleton, set_up_postgres

PROXY = Path(sys.prefix) / "node_modules" / ".bin" / "configurable-http-proxy"


def why_not() -> str | None:
    """Say what the workshop lacks here; None if it can start."""
    if sys.platform != "linux":
        return "The workshop makes users and needs Linux."
    if os.geteuid() != 0:
        return (
            "The workshop makes a user for each participant, so root has to run it:"
            " sudo make workshop"
        )
    if shutil.which("node") is None:
        return "JupyterHub's proxy needs Node.js: apt-get install nodejs npm"
    if not PROXY.exists():
        return f"There is no {PROXY}: make workshop installs it."
    if shutil.which("useradd") is None:
        return "There is no useradd, which makes the participants' users."
    if len(place.password()) < 8:
        return "WORKSHOP_PASSWORD is too short: the hub wants eight characters or more."
    return why_not_others()


def why_not_others() -> str | None:
    """Try what a participant's server needs as another user; say why it doesn't work."""
    nobody = pwd.getpwnam("nobody")
    try:
        subprocess.run(
            [sys.executable, "-c", "import project, ipykernel, jupyterlab"],
            check=True,
            cwd="/",
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        return (
            f"Participants can't use {Path(sys.executable).resolve()}: {said}. Put this folder"
            " where all users can enter, such as /srv, name a Python that all can run"
            " (make workshop PYTHON=/usr/bin/python3), and run make workshop again."
        )
    return None


def main() -> NoReturn:
    """Start the hub in this process's place."""
    if sys.platform == "linux" and os.geteuid() == 0:
        make_folder(place.FOLDER)
    if reason := why_not():
        sys.exit(reason)
    make_group()
    make_skeleton()
    set_up_postgres()
    print(f"The day's password is {place.password()}", flush=True)
    print(f"Participants open {place.ADDRESS.replace('//:', '//THIS-MACHINE:')}", flush=True)
    os.chdir(place.FOLDER)
    os.umask(0o077)
    config = place.ROOT / "workshop" / "jupyterhub_config.py"
    hub = Path(sys.executable).with_name("jupyterhub")
    os.execv(hub, [str(hub), f"--config={config}"])


if __name__ == "__main__":
    main()
