# SPDX-License-Identifier: ISC
"""A root in memory for what is installed: the machine's /usr is read through it, nothing of the
machine is written. And in it, a systemd of our own: process 1 of a PID namespace, with one cgroup
and no unit but ours and the few that ours name; or our daemons under what their units say, as far
as a script can do that by hand.

    with Booted(ns, directory) as host:
        host.put("/etc/katamichi/tx.conf", text)
        host.boot()
        host.ctl("start", "katamichi-tx.service")

The machine's own service manager, if there is one, does not notice. Needs root; booting, a kernel
with cgroup2 too.
"""

import os
import shutil
import signal
import subprocess
import time

from . import cleanup
from .netns import run
from .procs import Died, Process, children
from .tap import Skip

SYSTEMD = "/lib/systemd/systemd"
TOOLS = (SYSTEMD, "/bin/systemctl", "/bin/systemd-sysusers", "/bin/systemd-tmpfiles")
BOOT_SECONDS = 60

# What units of ours name, and what systemd wants for itself; all empty.
STUBS = ("sysinit.target", "basic.target", "shutdown.target", "umount.target",
         "multi-user.target", "network-pre.target", "local-fs.target", "emergency.target",
         "rescue.target")

# $1: the new root, whose mounts are private.
ENTER = r"""
set -e
mount --make-rprivate /
mount --rbind "$1" "$1"
cd "$1"
for d in usr bin sbin lib lib64; do
    [ ! -L /$d ] || { [ -L $d ] || cp -P /$d $d; continue; }
    [ ! -d /$d ] || { mkdir -p $d; mount --rbind /$d $d; mount -o remount,bind,ro $d; }
done
mount -t tmpfs -o mode=755 none usr/local
cp -r programs/. usr/local
mkdir -p proc sys dev run tmp old
mount -t proc none proc
mount -t sysfs none sys
mount -t tmpfs -o mode=755 none dev
mkdir dev/shm dev/pts
for d in null zero full random urandom; do
    touch dev/$d
    mount --bind /dev/$d dev/$d
done
ln -s pts/ptmx dev/ptmx
mount -t devpts -o newinstance,ptmxmode=0666 none dev/pts
ln -s /proc/self/fd dev/fd
touch dev/console
mount --bind /dev/null dev/console
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o mode=1777 none tmp
pivot_root . old
umount -l old
"""

# The first process of the namespaces becomes systemd.
BECOME = ENTER + r"""
mount -t cgroup2 none /sys/fs/cgroup
exec env -i container=km PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/units \
    SYSTEMD_GENERATOR_PATH=/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/none \
    /lib/systemd/systemd --system --unit=km.target --log-target=null --show-status=no
"""

# $2: the user, $3: its run_dir, $4 ...: what else it may write; then -- and the command.
BY_HAND = ENTER + r"""
user=$2
mkdir -m 755 "$3"
chown "$user" "$3"
shift 2
while [ "$1" != -- ]; do
    mount --bind "$1" "$1"
    shift
done
shift
mount -o remount,bind,ro /
mount -o remount,bind,ro /sys
mount -o remount,bind,ro /usr/local
umask 0077
ulimit -c 0
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --reuid="$user" --regid="$user" \
    --clear-groups --no-new-privs --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw \
    --bounding-set=-all,+net_raw "$@"
"""


def _cgroup_root(place):
    """Where cgroups are made; where none of them is mounted, they are at PLACE from now on."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                return fields[4]
    os.mkdir(place)
    done = subprocess.run(["mount", "-t", "cgroup2", "none", place], text=True, check=False,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        raise Skip(f"systemd cannot be booted without cgroup2: {done.stderr.strip()}")
    return place


class Root:
    """ns: a network namespace (netns.Namespace)."""

    def __init__(self, ns, directory):
        self.ns, self.directory = ns, directory
        self.root = os.path.join(directory, "root")
        self.pid = None
        self._undo = cleanup.push(self.close)
        os.mkdir(self.root)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "none", self.root)
        for path in ("etc", "units", "programs", "var/lib", "var/tmp", "srv", "root", "home"):
            os.makedirs(os.path.join(self.root, path))
        self.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        self.put("/etc/group", "root:x:0:\n")
        self.put("/etc/nsswitch.conf", "passwd: files\ngroup: files\n")
        self.put("/etc/os-release", "ID=km\n")
        shutil.copy("/etc/ld.so.cache", self.at("/etc"))

    def at(self, path):
        """The path as this test reaches it: from outside, before and after booting."""
        return (f"/proc/{self.pid}/root" if self.pid else self.root) + path

    def put(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)

    def install(self, program, path):
        """A program below /usr/local, which is the test's."""
        if not path.startswith("/usr/local/"):
            raise Skip(f"built for {path}: only /usr/local can be replaced for a test")
        to = self.at("/programs/" + path.removeprefix("/usr/local/"))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(program, to)

    def start_by_hand(self, name, uid, run_dir, writable, command):
        """A process of that user with one capability, that may write in these places alone."""
        return Process(
            self.ns.argv(["unshare", "--mount", "--ipc", "sh", "-c", BY_HAND, "sh", self.root,
                          str(uid), run_dir, run_dir, *writable, "--", *command]),
            self.directory, name)

    def close(self):
        cleanup.cancel(self._undo)
        run("umount", "-R", "-l", self.root, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Booted(Root):
    """With a systemd that `boot` starts."""

    def __init__(self, ns, directory):
        missing = [tool for tool in TOOLS if not os.access(tool, os.X_OK)]
        if missing:
            raise Skip(f"no {missing[0]}: install systemd")
        self.mounted = os.path.join(directory, "cgroup")
        self.process = self.cgroup = None
        super().__init__(ns, directory)
        self.cgroup = os.path.join(_cgroup_root(self.mounted), f"km-{os.getpid()}")
        for name in STUBS + ("km.target",):
            self.put("/units/" + name, f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")

    def boot(self):
        try:
            os.mkdir(self.cgroup)
        except OSError as error:
            raise Skip(f"no cgroup of one's own here: {error}") from error
        enter = 'echo $$ > "$1"/cgroup.procs; shift; exec "$@"'
        self.process = Process(
            ["sh", "-c", enter, "sh", self.cgroup, *self.ns.argv([
                "unshare", "--fork", "--pid", "--mount", "--cgroup", "--uts", "--ipc",
                "--kill-child", "sh", "-c", BECOME, "sh", self.root])],
            self.directory, "systemd", expect=(0, -signal.SIGKILL))
        end = time.monotonic() + BOOT_SECONDS
        while True:
            for pid in children(self.process.pid):
                if self._is_up(pid):
                    self.pid = pid
                    return
            if not self.process.running or time.monotonic() > end:
                # nothing of ours has been started yet
                raise Skip("systemd cannot be booted here: "
                           + (self.process.tail().strip().split("\n")[-1] or "it says nothing"))
            time.sleep(0.05)

    @staticmethod
    def _is_up(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"systemd\0--system" not in file.read():
                    return False
        except OSError:
            return False
        return run("nsenter", "-t", str(pid), "-m", "-p", "systemctl", "is-active", "km.target",
                   check=False).strip() == "active"

    def inside(self, *argv, timeout=60):
        """A command beside its units: (exit code, everything it said)."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", *argv], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, check=False)
        return done.returncode, done.stdout

    def ctl(self, *args):
        """systemctl, which must not fail; what it said."""
        code, said = self.inside("systemctl", "--no-pager", *args)
        if code:
            raise Died(f"systemctl {' '.join(args)}: exit {code}: {said}")
        return said

    def show(self, unit, *properties):
        """{property: value} of a unit."""
        said = self.ctl("show", unit, *("--property=" + name for name in properties))
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def main_pid(self, unit):
        """The main process of a unit, by its number out here."""
        inner = self.show(unit, "MainPID")["MainPID"]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                    numbers = next(line for line in file if line.startswith("NSpid:")).split()
                same = os.stat(f"/proc/{pid}/ns/pid").st_ino == os.stat(
                    f"/proc/{self.pid}/ns/pid").st_ino
            except (OSError, StopIteration):
                continue
            if same and numbers[-1] == inner:
                return int(pid)
        raise Died(f"{unit}: no process {inner}")

    def close(self):
        if self.process:
            self.process.kill()
            self.process = self.pid = None
        super().close()
        for where, _, _ in os.walk(self.cgroup or "", topdown=False):
            end = time.monotonic() + 10
            while os.path.isdir(where) and time.monotonic() < end:
                try:
                    os.rmdir(where)
                except OSError:
                    time.sleep(0.05)
        if os.path.ismount(self.mounted):
            run("umount", self.mounted, check=False)
