# SPDX-License-Identifier: ISC
"""The systemd units, users and directories, judged by systemd's own tools: exposure, verify,
and what sysusers and tmpfiles make of them in a scratch root. And our own rules: one
ReadWritePaths root, below which the examples' channels lie.

usage: test_units.py SOURCE-ROOT BUILD-ROOT
"""
import configparser
import os
import re
import shutil
import stat
import sys

from cli_tap import Tap, run, scratch, skip_all

SIDES = ("tx", "rx")
ROOT_KEY = {"tx": "spool", "rx": "root"}
# Tenths. What opens the unit further says so in its own first lines.
EXPOSURE_MAX = 15
DROP_INS = {"tx-xdp": 17, "rx-xdp": 17, "tx-datagram": 18, "rx-datagram": 18}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def unit_of(build, side):
    return f"{build}/debian/katamichi-{side}.service"


def values(path, key):
    """All values of KEY in a unit, split at blanks."""
    return [word for line in re.findall(rf"^{key}=(.*)$", read(path), re.M)
            for word in line.split()]


def judge_exposure(tap, source, build, directory):
    for side in SIDES:
        result = run("systemd-analyze", "security", "--no-pager", "--offline=true",
                     f"--threshold={EXPOSURE_MAX}", unit_of(build, side))
        tap.same(result.returncode, 0, f"{side}: exposure is at most {EXPOSURE_MAX / 10}")
        if result.returncode:
            tap.ok(False, f"{side}: what is open", result.stdout[-4000:] + result.stderr)
    for name, most in DROP_INS.items():
        side = name.partition("-")[0]
        units = f"{directory}/{name}"
        os.makedirs(f"{units}/katamichi-{side}.service.d")
        shutil.copy(unit_of(build, side), units)
        drop_in = f"{source}/debian/katamichi-{name}.conf"
        shutil.copy(drop_in, f"{units}/katamichi-{side}.service.d")
        text = run("env", f"SYSTEMD_UNIT_PATH={units}:", "systemd-analyze", "security",
                   "--no-pager", "--offline=true", f"--threshold={most}",
                   f"{units}/katamichi-{side}.service")
        tap.same(text.returncode, 0, f"{name}: exposure is at most {most / 10}")
        score = re.search(r"exposure level for \S+: ([\d.]+)", text.stdout)
        # the drop-in counts at all, and its text does not promise less
        said = re.search(r"security:\s+(\d\.\d) instead of (\d\.\d)", read(drop_in).replace(
            "\n#", ""))
        tap.ok(score and said and score[1] == said[1], f"{name}: says its exposure",
               f"{score and score[0]} {said and said[0]}")
        alone = run("systemd-analyze", "security", "--no-pager", "--offline=true",
                    unit_of(build, side)).stdout
        tap.ok(said and f"{said[2]} " in alone[alone.rfind("exposure level"):],
               f"{name}: says what it was", alone[-200:])


def judge_verify(tap, build, directory):
    for side in SIDES:
        units = f"{directory}/verify-{side}"
        os.mkdir(units)
        # it looks for the program, which is not installed here
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={build}/{side}/katamichi-{side}",
                      read(unit_of(build, side)), flags=re.M)
        text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
        with open(f"{units}/katamichi-{side}.service", "w", encoding="utf-8") as out:
            out.write(text)
        result = run("systemd-analyze", "verify", "--recursive-errors=no",
                     f"{units}/katamichi-{side}.service")
        tap.ok(result.returncode == 0 and f"katamichi-{side}" not in result.stderr,
               f"{side}: systemd-analyze verify", result.stderr)


def judge_paths(tap, source, build):
    for side in SIDES:
        unit = unit_of(build, side)
        roots = values(unit, "ReadWritePaths")
        tap.same(roots, [f"/srv/katamichi-{side}"], f"{side}: one ReadWritePaths root")
        example = configparser.ConfigParser(interpolation=None)
        example.read(f"{source}/docs/examples/{side}.conf")
        places = [example[name][ROOT_KEY[side]] for name in example.sections()
                  if name.startswith("channel ") and ROOT_KEY[side] in example[name]]
        tap.ok(len(places) > 1, f"{side}: the example has channels", places)
        tap.same([place for place in places if not place.startswith(roots[0] + "/")], [],
                 f"{side}: every channel of the example lies below it")
        top = example[{"tx": "transmitter", "rx": "receiver"}[side]]
        tap.same(top["state_dir"], "/var/lib/" + values(unit, "StateDirectory")[0],
                 f"{side}: state_dir is StateDirectory=")
        tap.same(top["run_dir"], "/run/" + values(unit, "RuntimeDirectory")[0],
                 f"{side}: run_dir is RuntimeDirectory=")
        tap.ok("user" not in top, f"{side}: the user is the unit's", dict(top))


def judge_root(tap, root, result):
    passwd = {line.split(":")[0]: line.split(":")
              for line in read(f"{root}/etc/passwd").splitlines()}
    for side in SIDES:
        name = f"katamichi-{side}"
        user = passwd.get(name)
        if not tap.ok(user is not None, f"{name}: the user is there", read(f"{root}/etc/passwd")):
            continue
        tap.ok(0 < int(user[2]) < 1000, f"{name}: a system user", user)
        tap.ok(user[6].endswith("nologin"), f"{name}: cannot log in", user)
        group = re.search(rf"^{name}:[^:]*:(\d+):(.*)$", read(f"{root}/etc/group"), re.M)
        tap.ok(group and group[1] == user[3] and group[2] == "",
               f"{name}: a group of its own, without others", group and group[0])
        tap.same(re.findall(rf"^([^:]+):[^:]*:[^:]*:.*\b{name}\b", read(f"{root}/etc/group"),
                            re.M), [], f"{name}: in no other group")
        place = os.stat(f"{root}/srv/{name}")
        tap.same((place.st_uid, place.st_gid, stat.S_IMODE(place.st_mode)),
                 (int(user[2]), int(user[3]), 0o755), f"/srv/{name}: owner and mode")
    keys = os.stat(f"{root}/etc/katamichi")
    tap.same((keys.st_uid, keys.st_gid, stat.S_IMODE(keys.st_mode)), (0, 0, 0o755),
             "/etc/katamichi: owner and mode")
    tap.same(result.stderr, "", "tmpfiles has nothing to say")


def judge_users(tap, source, directory):
    if os.geteuid() != 0:
        tap.skip("users and directories", "needs root to give a directory away")
        return
    root = f"{directory}/root"
    for name in ("etc", "srv"):
        os.makedirs(f"{root}/{name}")
    result = run("systemd-sysusers", f"--root={root}",
                 *(f"{source}/debian/katamichi-{side}.sysusers" for side in SIDES))
    tap.same(result.returncode, 0, "systemd-sysusers")
    result = run("systemd-tmpfiles", f"--root={root}", "--create",
                 *(f"{source}/debian/katamichi-{side}.tmpfiles" for side in SIDES))
    tap.ok(result.returncode == 0, "systemd-tmpfiles", result.stderr)
    judge_root(tap, root, result)


def judge_install(tap, build):
    """What meson would put where; by its plan, as installing would build everything."""
    plan = run("meson", "introspect", "--install-plan", build)
    tap.same(plan.returncode, 0, "meson's plan")
    for side in SIDES:
        for place in (f"systemd/system/katamichi-{side}.service",
                      f"sysusers.d/katamichi-{side}.conf",
                      f"tmpfiles.d/katamichi-{side}.conf",
                      f"examples/katamichi-{side}-xdp.conf"):
            tap.ok(f'{place}"' in plan.stdout, f"is installed: {place}")
        command = values(unit_of(build, side), "ExecStart")
        tap.ok(command[0].startswith("/") and command[0].endswith(f"bin/katamichi-{side}") and
               command[1:] == ["run"], f"{side}: ExecStart", command)
        # to the supervisor alone: its roles do not listen
        tap.same(values(unit_of(build, side), "ExecReload"), ["/bin/kill", "-HUP", "$MAINPID"],
                 f"{side}: ExecReload")


def main():
    source, build = sys.argv[1:3]
    missing = [name for name in ("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles")
               if shutil.which(name) is None]
    if missing:
        skip_all(f"no {', '.join(missing)} here: install systemd")
    tap = Tap()
    with scratch() as directory:
        judge_exposure(tap, source, build, directory)
        judge_verify(tap, build, directory)
        judge_paths(tap, source, build)
        judge_users(tap, source, directory)
        judge_install(tap, build)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
