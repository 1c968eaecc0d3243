"""A private SLURM of one node, on free ports and in a folder of its own, for the tests."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

PATH = f"{os.environ['PATH']}:/usr/sbin"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld}
SlurmdPort={slurmd}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
AccountingStorageType=accounting_storage/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# there is no cgroup to hold a job to its memory: its use is sampled every second instead
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
KillWait=2
MinJobAge=3600
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 NodeHostname={host} CPUs=2 RealMemory=20000
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no SLURM here, or nothing."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    return f"no SLURM installed: {', '.join(absent)} not found" if absent else ""


class Slurm:
    """A running SLURM; `environment` leads to it, and nothing outside its folder is touched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir()
        configuration = folder / "slurm.conf"
        # a step loses SLURM_CONF, so that srun would look in /etc: hence this one
        srun = folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SNAKEMAKE_"))}
        self.environment = {
            **kept,
            "PATH": f"{folder / 'bin'}:{PATH}",
            "SLURM_CONF": str(configuration),
        }
        slurmctld, slurmd = free_ports(2)
        configuration.write_text(
            CONFIGURATION.format(
                host=self.host,
                slurmctld=slurmctld,
                slurmd=slurmd,
                user=getpass.getuser(),
                folder=folder,
            )
        )

    def __enter__(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid"}
        files |= {"log-file": "munged.log", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        try:
            self.call("munged", "--force", *options)
            self.call("slurmctld", "-c")
            self.call("slurmd")
            self.wait(lambda: self.call("sinfo", "-h", "-o", "%t").strip() == "idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for name in ("slurmd", "slurmctld", "munged"):
            pid = self.folder / f"{name}.pid"
            if not pid.exists():
                continue
            number = int(pid.read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGTERM)
            end = time.monotonic() + 30
            while alive(number):
                if time.monotonic() > end:  # it waits for a job that hangs
                    os.kill(number, signal.SIGKILL)
                time.sleep(0.2)

    def call(self, *command: str) -> str:
        """Output of a command of SLURM."""
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout

    def wait(self, condition, process: subprocess.Popen | None = None):
        """Wait until the condition holds, or a process has ended, and return what it said."""
        while not (value := condition()):
            assert process is None or process.poll() is None or condition(), "\n".join(
                path.read_text()[-2000:] for path in self.folder.glob("*.log")
            )
            time.sleep(0.2)
        return value

    def jobs(self, rule: str) -> dict[str, str]:
        """States of all jobs of a rule so far, by their number."""
        lines = self.call("squeue", "-h", "-r", "-t", "all", "-o", "%i %T %k").splitlines()
        rows = [line.split(maxsplit=2) for line in lines]
        return {row[0]: row[1] for row in rows if f"rule_{rule}_" in f"{row[2]}_"}


def alive(number: int) -> bool:
    """Whether a process runs; one that ended and that nobody asks about has no command line."""
    try:
        return bool(Path(f"/proc/{number}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def free_ports(number: int) -> list[int]:
    """Numbers of ports that nobody uses."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
