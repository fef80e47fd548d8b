"""Installs what a suite needs from Debian, where that can be done without asking."""

import os
import shutil
import subprocess
from collections.abc import Sequence


def install(packages: Sequence[str]) -> str:
    """Install packages of Debian; return why that cannot be done, or nothing."""
    sudo: tuple[str, ...] = ()
    if not shutil.which("apt-get"):
        return "This machine has no apt-get."
    if os.geteuid() != 0:
        sudo = ("sudo", "-n")
        if not shutil.which("sudo") or subprocess.run([*sudo, "true"], capture_output=True).returncode:
            return "Installing them takes root, or sudo without a password."
    print(f"Installing {', '.join(packages)} from Debian ...", flush=True)
    quiet = ["-o", "DPkg::Lock::Timeout=120", "-qq"]
    # apt reads signatures as a user of its own, who must be able to write where it puts temporary files.
    words = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "TMPDIR=/var/tmp", "apt-get", *quiet]
    if subprocess.run([*words, "update"]).returncode:
        return "apt-get update failed."
    if subprocess.run([*words, "install", "-y", "--no-install-recommends", *packages]).returncode:
        return "apt-get install failed."
    return ""
