"""Throw-away hosts of one Linux machine: a laptop `ctl` and hosts h0, h1, ..., as real to ssh, Ray and Slurm as others.

    python -m tests.cluster.hosts up 3 --venv .venv --share FOLDER    FOLDER stands for NFS
    python -m tests.cluster.hosts exec [--root] h0 'hostname; ls'     in a login shell
    python -m tests.cluster.hosts kill h0                             its plug is pulled
    python -m tests.cluster.hosts start h0                            it is switched on again, with the disk that it had
    python -m tests.cluster.hosts status
    python -m tests.cluster.hosts down

A host has namespaces of its own (network, processes, mounts, name, IPC), the machine's files below a layer that takes
what it writes, its own /home, /root, /tmp, /run and /dev/shm, and an sshd. The laptop is the switch that their cables
lead to, and holds the key. The machine's own network is not touched and nothing leaves it. Needed are root and Debian's
openssh-server, openssh-client, rsync and iproute2.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STATE = Path(tempfile.gettempdir(), "xrt-hosts")
NOTES = STATE / "notes.json"
NET, SWITCH, LAPTOP = "10.77.0", "br0", "ctl"
USER, UID = "ubuntu", 2000
OWN = ("tmp", "var/tmp", "root", "home")  # folders of a host's disk
NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("ip", "rsync", "ssh", "ssh-keygen", "sshd", "unshare", "nsenter", "setpriv", "pivot_root")
SSHD = """
HostKey /etc/xrt-hosts/id
AuthorizedKeysFile /etc/xrt-hosts/id.pub
PasswordAuthentication no
UsePAM no
UseDNS no
MaxStartups 50
PidFile none
StrictModes no
Subsystem sftp internal-sftp
"""


def sh(*words: Any) -> None:
    subprocess.run([str(word) for word in words], check=True)


def address(host: str) -> str:
    return f"{NET}.{1 if host == LAPTOP else 10 + int(host[1:])}"


def notes() -> dict[str, Any]:
    if not NOTES.exists():
        sys.exit("No hosts are up.")
    return dict(json.loads(NOTES.read_text()))


def born(pid: int) -> str | None:
    """The start time of a process, which distinguishes reused process ids; None if it does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def is_on(host: str) -> bool:
    known = notes()["on"].get(host)
    return known is not None and born(known["pid"]) == known["born"]


def inside(host: str, *spaces: str) -> list[str]:
    """The words that run a command in a host, or only in some of its namespaces."""
    if not is_on(host):
        sys.exit(f"{host}: is off.")
    pid = notes()["on"][host]["pid"]
    where = spaces or (*NAMESPACES, f"--root=/proc/{pid}/root", f"--wd=/proc/{pid}/root")
    return ["nsenter", f"--target={pid}", *where, "--"]


# What runs outside of the hosts.


def up(count: int, venv: Path, share: list[Path]) -> None:
    """Make the laptop and `count` hosts."""
    missing = [name for name in NEEDED if not shutil.which(name, path=PATH)]
    if os.geteuid() or missing:
        sys.exit(f"Needs root and {', '.join(missing) or 'nothing else'}.")
    if NOTES.exists():
        sys.exit("Hosts are up already: `down` first.")
    STATE.mkdir(exist_ok=True)
    base = subprocess.run([venv / "bin" / "python", "-c", "import sys; print(sys.base_prefix)"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # fmt: skip
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", STATE / "id")
    names = [LAPTOP, *(f"h{i}" for i in range(count))]
    shown = [str(path) for path in (venv, Path(base)) if not path.is_relative_to("/usr")]
    _note(
        {"names": names, "shown": shown, "share": [str(path) for path in share], "venv": str(venv), "on": {}}
    )
    try:
        for name in names:
            start(name)
    except BaseException:
        down()
        raise


def _note(value: dict[str, Any]) -> None:
    part = NOTES.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(NOTES)


def start(host: str) -> None:
    """Switch a host on; returns when its sshd listens."""
    if is_on(host):
        sys.exit(f"{host}: is on.")
    for name in OWN:
        (STATE / host / name).mkdir(parents=True, exist_ok=True)
        (STATE / host / name).chmod(0o1777 if name.endswith("tmp") else 0o755)
    (STATE / host / "layer").mkdir(exist_ok=True)
    words = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", sys.executable, __file__, "first", host]
    with (STATE / host / "log").open("a") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            cwd="/", env={"PATH": PATH, "LANG": "C.UTF-8"},
        )  # fmt: skip
    assert process.stdin and process.stdout
    _hear(process.stdout.readline(), "made", host)
    pid = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    known = notes()
    known["on"][host] = {"pid": pid, "born": born(pid)}
    _note(known)
    if host != LAPTOP:
        switch = inside(LAPTOP, "--net")
        sh(*switch, "ip", "link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns", pid)
        sh(*switch, "ip", "link", "set", f"to-{host}", "master", SWITCH, "up")
    print("plugged in", file=process.stdin, flush=True)
    _hear(process.stdout.readline(), "up", host)
    print(f"{host}: {address(host)}", flush=True)


def _hear(line: str, expected: str, host: str) -> None:
    if line.strip() != expected:
        sys.exit(f"{host}: did not start:\n{(STATE / host / 'log').read_text()[-2000:]}")


def kill(host: str) -> None:
    """Pull the plug: with its first process the kernel ends all others, and its network goes."""
    if not is_on(host):
        return
    os.kill(notes()["on"][host]["pid"], signal.SIGKILL)
    while is_on(host):
        time.sleep(0.01)
    print(f"{host}: off", flush=True)


def down() -> None:
    """End and remove everything. Mounts were of the hosts' own namespaces and went with them."""
    for host in reversed(notes()["names"] if NOTES.exists() else []):
        kill(host)
    shutil.rmtree(STATE, ignore_errors=True)


def execute(host: str, command: str, root: bool) -> None:
    """Become a command in a host."""
    user, home = ("root", "/root") if root else (USER, f"/home/{USER}")
    who = [] if root else ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    environment = {"HOME": home, "USER": user, "PATH": PATH, "LANG": "C.UTF-8", "SHELL": "/bin/bash"}
    words = [*inside(host), *who, "bash", "-c", f"cd; [ ! -e .bashrc ] || . ./.bashrc; {command}"]
    os.execvpe(words[0], words, environment)


def status() -> None:
    for host in notes()["names"]:
        print(host, address(host), f"pid {notes()['on'][host]['pid']}" if is_on(host) else "off")


# What runs as the first process of a host.


def first(host: str) -> None:
    """Build the host's files, move into them, wait for the cable, serve ssh, and bury the dead."""
    known = notes()
    top = STATE / host / "layer"
    socket.sethostname(f"rh-{host}")
    sh("mount", "--make-rprivate", "/")
    sh("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "layer", top)
    root = _files(host, top, known)
    _people(root, host, known["venv"])
    _etc(root, known["names"])
    os.chdir(root)
    (root / ".old").mkdir()
    sh("pivot_root", ".", ".old")
    os.chroot(".")
    os.chdir("/")
    sh("umount", "--lazy", "/.old")
    _network(host)
    print("up", flush=True)
    quiet = os.open("/dev/null", os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(1)


def _files(host: str, top: Path, known: dict[str, Any]) -> Path:
    """The machine's files below a layer in memory, and the folders that are the host's own."""
    upper, work, root = (top / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
    sh("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", "root", root)
    sh("mount", "-t", "proc", "proc", root / "proc")
    for name in ("sys", "dev"):
        sh("mount", "--rbind", f"/{name}", root / name)
    sh("mount", "-t", "tmpfs", "-o", "size=1g,mode=1777", "shm", root / "dev/shm")
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "run", root / "run")
    for name in OWN:
        sh("mount", "--bind", STATE / host / name, root / name)
    for name in [*known["shown"], *known["share"]]:
        (root / name[1:]).mkdir(parents=True, exist_ok=True)
        sh("mount", "--bind", name, root / name[1:])
        if name in known["shown"]:
            sh("mount", "-o", "remount,bind,ro", root / name[1:])
    return root


def _people(root: Path, host: str, venv: str) -> None:
    """The user, with what a cloud's image would bring: a home folder, ssh's keys, Ray on the path."""
    with (root / "etc/passwd").open("a") as file:
        file.write(f"{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n")
    with (root / "etc/group").open("a") as file:
        file.write(f"{USER}:x:{UID}:\n")
    with (root / "etc/shadow").open("a") as file:
        file.write(f"{USER}:*:19000:0:99999:7:::\n")
    home = root / "home" / USER
    if home.exists():
        return
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    (home / ".bashrc").write_text(f"export PATH={venv}/bin:{PATH} RAY_USAGE_STATS_ENABLED=0\n")
    if host == LAPTOP:
        shutil.copy(STATE / "id", home / ".ssh/id_ed25519")
    for path in (home, *home.rglob("*")):
        os.chown(path, UID, UID)


def _etc(root: Path, names: list[str]) -> None:
    lines = ["127.0.0.1 localhost", *(f"{address(name)} rh-{name} {name}" for name in names)]
    (root / "etc/hosts").write_text("\n".join(lines) + "\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").touch()
    keys = root / "etc/xrt-hosts"
    keys.mkdir()
    shutil.copy(STATE / "id", keys)
    shutil.copy(STATE / "id.pub", keys)
    (keys / "sshd_config").write_text(SSHD)


def _network(host: str) -> None:
    sh("ip", "link", "set", "lo", "up")
    if host == LAPTOP:
        sh("ip", "link", "add", SWITCH, "type", "bridge")
        sh("ip", "addr", "add", f"{address(host)}/24", "dev", SWITCH)
        sh("ip", "link", "set", SWITCH, "up")
    print("made", flush=True)
    sys.stdin.readline()
    if host == LAPTOP:
        return
    sh("ip", "addr", "add", f"{address(host)}/24", "dev", "eth0")
    sh("ip", "link", "set", "eth0", "up")
    # Ray learns its own address from the route to the world, which ends at the laptop.
    sh("ip", "route", "add", "default", "via", address(LAPTOP))
    os.makedirs("/run/sshd", 0o755, exist_ok=True)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/xrt-hosts/sshd_config"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    while sshd.poll() is None:
        try:
            return socket.create_connection((address(host), 22)).close()
        except OSError:
            time.sleep(0.02)
    sys.exit("sshd ended")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("up")
    making.add_argument("count", type=int)
    making.add_argument("--venv", type=Path, default=Path(sys.prefix))
    making.add_argument("--share", type=Path, action="append", default=[])
    running = commands.add_parser("exec")
    running.add_argument("--root", action="store_true")
    running.add_argument("host")
    running.add_argument("words", nargs="+")
    for name in ("start", "kill", "first"):
        commands.add_parser(name).add_argument("host")
    for name in ("status", "down"):
        commands.add_parser(name)
    chosen = parser.parse_args()
    if chosen.command == "up":
        up(chosen.count, chosen.venv.absolute(), [path.absolute() for path in chosen.share])
    elif chosen.command == "exec":
        execute(chosen.host, " ".join(chosen.words), chosen.root)
    elif chosen.command in ("start", "kill", "first"):
        {"start": start, "kill": kill, "first": first}[chosen.command](chosen.host)
    else:
        {"status": status, "down": down}[chosen.command]()


if __name__ == "__main__":
    main()
