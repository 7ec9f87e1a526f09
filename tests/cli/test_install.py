# SPDX-License-Identifier: ISC
"""From `meson install` by scripts/release-manifest and minisign to verify-install, and what an
attacker may do to each of them.

usage: test_install.py KATAMICHI-TX KATAMICHI-RX SOURCE-ROOT BUILD-ROOT
"""
import os
import shutil
import subprocess
import sys

from cli_tap import Tap, run, scratch, skip_all

TX, RX, ROOT, BUILD = sys.argv[1:5]
DEFAULT = "usr/share/katamichi/release.manifest"
INSIDE = "KM_CLI_INSIDE"


def as_root():
    """Files of a release belong to root: be root, or be called so."""
    if os.geteuid() == 0:
        return
    if os.environ.get(INSIDE) or subprocess.run(["unshare", "-r", "true"], check=False,
                                                capture_output=True).returncode:
        skip_all("not root, and no user namespace")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-r", sys.executable, "-B"] + sys.argv)


class Release:
    """An installed tree, keys, and the manifest that the engineer made of the tree."""

    def __init__(self, directory):
        self.tree = f"{directory}/tree"
        self.key = f"{directory}/keys/release.pub"
        self.secret = f"{directory}/keys/release.sec"
        self.manifest = f"{self.tree}/{DEFAULT}"
        os.mkdir(f"{directory}/keys")
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", self.tree,
            check=True)
        self.merge_usr()
        self.make_keys(self.key, self.secret)
        where = {os.path.basename(p): os.path.join(w, p)
                 for w, _, names in os.walk(self.tree) for p in names}
        self.program, self.example = where["katamichi-tx"], where["rx.conf"]

    def merge_usr(self):
        """What unpacking the tree on a host does: there lib/ leads to usr/lib/, and systemd.pc
        may say /lib/systemd/system."""
        for name in ("bin", "sbin", "lib"):
            if os.path.isdir(f"{self.tree}/{name}"):
                shutil.copytree(f"{self.tree}/{name}", f"{self.tree}/usr/{name}",
                                dirs_exist_ok=True)
                shutil.rmtree(f"{self.tree}/{name}")

    @staticmethod
    def make_keys(public, secret):
        run("minisign", "-G", "-W", "-f", "-p", public, "-s", secret, check=True)

    def make(self, *more, env=None):
        return subprocess.run([f"{ROOT}/scripts/release-manifest", *more, self.tree],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "SOURCE_DATE_EPOCH": "1795824000", **(env or {})})

    def sign(self, path, *more):
        run("minisign", "-S", "-s", self.secret, "-m", path, "-t", "test", *more, check=True)

    def verify(self, program=TX, **change):
        how = {"--root": self.tree, "--key": self.key, **change}
        return run(program, "verify-install",
                   *(word for k, v in how.items() if v is not None for word in (k, v)))


def judge_manifest(tap, release):
    done = release.make("--sign", release.secret)
    tap.same(done.returncode, 0, "release-manifest signs")
    with open(release.manifest, encoding="ascii") as file:
        first = file.read()
    tap.ok("# created: 2026-11-28T00:00:00Z\n" in first, "its time is SOURCE_DATE_EPOCH", first)
    tap.ok(first.count("katamichi-tx\n") == 1 and DEFAULT not in first,
           "it lists what was installed, not itself", first)
    release.make("--sign", release.secret, env={"LC_ALL": "C", "TZ": "Asia/Tokyo"})
    with open(release.manifest, encoding="ascii") as file:
        tap.same(file.read(), first, "made twice it is the same")
    done = run("minisign", "-V", "-p", release.key, "-m", release.manifest)
    tap.same(done.returncode, 0, "minisign -V takes it")
    done = run("sha256sum", "--strict", "--quiet", "-c", release.manifest, cwd=release.tree)
    tap.same((done.returncode, done.stdout), (0, ""), "sha256sum --strict -c takes it")
    for program in (TX, RX):
        done = release.verify(program)
        tap.ok(done.returncode == 0 and "are as signed" in done.stdout and not done.stderr,
               f"{os.path.basename(program)} verify-install: all as signed",
               done.stdout + done.stderr)
    with open(release.key, encoding="ascii") as file:
        line = file.read().splitlines()[1]
    done = release.verify(**{"--key": line})
    tap.same(done.returncode, 0, "the key may be its base64 line")


def one_finding(tap, release, name, *words):
    for program in (TX, RX):
        done = release.verify(program)
        lines = done.stdout.splitlines()
        tap.ok(done.returncode == 65 and len(lines) == 2 and lines[1].endswith(
            ": 1 finding in {} files".format(lines[1].split()[-2])) and
               all(w in lines[0] for w in words),
               f"{os.path.basename(program)} verify-install: {name}",
               f"{done.returncode}\n{done.stdout}{done.stderr}")


def judge_tree(tap, release):
    for path, at in ((release.program, 4000), (release.program, -1), (release.example, 10)):
        shutil.copy2(path, path + ".km-keep")
        with open(path, "r+b") as file:
            file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
            was = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([was[0] ^ 1]))
        os.rename(path + ".km-keep", release.tree + "/../keep")
        one_finding(tap, release, f"one bit of {os.path.basename(path)}", "altered    ", path)
        shutil.move(release.tree + "/../keep", path)
    os.chmod(release.program, 0o4755)
    one_finding(tap, release, "a setuid bit", "mode       ", release.program, ", setuid")
    os.chmod(release.program, 0o755)
    try:
        os.chown(release.example, 1, 0)
    except OSError as error:
        tap.skip("an owner who is not root", str(error))
    else:
        one_finding(tap, release, "an owner who is not root", "owner      ", release.example)
        os.chown(release.example, 0, 0)
    extra = os.path.join(os.path.dirname(release.example), "extra.conf")
    with open(extra, "w", encoding="ascii"):
        pass
    one_finding(tap, release, "a file that is not listed", "unlisted   ", '"extra.conf"')
    os.unlink(extra)
    shutil.move(release.program, release.tree + "/../keep")
    one_finding(tap, release, "a file that is missing", "missing    ", release.program)
    os.symlink(release.tree + "/../keep", release.program)
    one_finding(tap, release, "a symbolic link to the same", "replaced   ", release.program)
    os.unlink(release.program)
    shutil.move(release.tree + "/../keep", release.program)
    tap.same(release.verify().returncode, 0, "put right, all is as signed again")


def refused(tap, release, name, code, words, **change):
    done = release.verify(**change)
    tap.ok(done.returncode == code and done.stderr.count("\n") == 1 and words in done.stderr
           and not done.stdout, f"refused with {code}: {name}",
           f"{done.returncode}\n{done.stdout}{done.stderr}")


def judge_trust(tap, release, directory):
    with open(release.manifest, "rb") as file:
        good = file.read()
    other = f"{directory}/other"
    os.mkdir(other)
    copy, signature = f"{other}/m", f"{other}/m.minisig"
    shutil.copy(release.manifest + ".minisig", signature)
    with open(copy, "wb") as file:
        file.write(good.replace(b"# file 0755", b"# file 0775", 1))
    refused(tap, release, "a manifest altered", 65, "altered", **{"--manifest": copy})
    with open(copy, "wb") as file:
        file.write(good)
    release.make_keys(f"{directory}/keys/evil.pub", f"{directory}/keys/evil.sec")
    refused(tap, release, "another key", 65, "another key",
            **{"--manifest": copy, "--key": f"{directory}/keys/evil.pub"})
    run("minisign", "-S", "-s", f"{directory}/keys/evil.sec", "-m", copy, check=True)
    refused(tap, release, "signed by another", 65, "another key", **{"--manifest": copy})
    release.sign(copy, "-l")
    refused(tap, release, "a signature of the legacy kind", 65, "prehashed",
            **{"--manifest": copy})
    os.unlink(signature)
    refused(tap, release, "no signature", 66, "m.minisig", **{"--manifest": copy})
    shutil.copy(release.key, f"{other}/release.pub")
    release.sign(copy)
    tap.same(release.verify(**{"--manifest": copy}).returncode, 0, "signed again it is good")
    refused(tap, release, "a key beside the manifest", 64, "beside",
            **{"--manifest": copy, "--key": f"{other}/release.pub"})
    os.symlink(f"{other}/release.pub", f"{directory}/keys/link.pub")
    refused(tap, release, "a link to a key beside the manifest", 64, "beside",
            **{"--manifest": copy, "--key": f"{directory}/keys/link.pub"})
    os.chmod(release.key, 0o666)
    refused(tap, release, "a key that others may write", 77, "0644")
    os.chmod(release.key, 0o644)
    refused(tap, release, "no such key", 66, "none.pub", **{"--key": f"{directory}/none.pub"})
    refused(tap, release, "no such manifest", 66, "none", **{"--manifest": f"{directory}/none"})
    refused(tap, release, "no such root", 66, "none",
            **{"--manifest": copy, "--root": f"{directory}/none"})
    with open(copy, "wb") as file:
        file.write(good.replace(b"  ./usr", b"  ./../usr"))
    release.sign(copy)
    refused(tap, release, "well signed nonsense", 65, "m:", **{"--manifest": copy})
    with open(copy, "wb") as file:
        file.write(good.replace(b"# version: ", b"# version: 9"))
    release.sign(copy)
    done = release.verify(**{"--manifest": copy, "--root": None})
    tap.ok(done.returncode == 65 and "\nversion    katamichi-tx is " in "\n" + done.stdout,
           "the manifest of another version", done.stdout + done.stderr)


def judge_engineer(tap, release):
    """What release-manifest takes into no release."""
    odd = release.tree + "/usr/odd"
    for name, how in (("a symbolic link", lambda: os.symlink("x", odd)),
                      ("a FIFO", lambda: os.mkfifo(odd)),
                      ("a setuid program", lambda: (open(odd, "w").close(),
                                                    os.chmod(odd, 0o4755))),
                      ("a file that others may write", lambda: (open(odd, "w").close(),
                                                                os.chmod(odd, 0o666)))):
        how()
        done = release.make()
        tap.ok(done.returncode == 65 and odd in done.stderr, f"release-manifest refuses {name}",
               done.stderr)
        os.unlink(odd)
    os.makedirs(release.tree + "/etc", exist_ok=True)
    with open(release.tree + "/etc/rx.conf", "w", encoding="ascii"):
        pass
    os.mkdir(release.tree + "/lib")
    with open(release.tree + "/lib/unit", "w", encoding="ascii"):
        pass
    done = release.make()
    with open(release.manifest, encoding="ascii") as file:
        text = file.read()
    tap.ok(done.returncode == 0 and "./etc/" not in text and "  ./usr/lib/unit\n" in text,
           "release-manifest: etc is left out, lib is usr/lib", text)
    tap.ok(not os.path.exists(release.manifest + ".minisig"),
           "release-manifest leaves no signature of another manifest")


def main():
    as_root()
    if not shutil.which("minisign"):
        skip_all("no minisign here")
    os.umask(0o022)
    tap = Tap()
    with scratch() as directory:
        os.chmod(directory, 0o755)
        release = Release(directory)
        judge_manifest(tap, release)
        judge_tree(tap, release)
        judge_trust(tap, release, directory)
        judge_engineer(tap, release)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
