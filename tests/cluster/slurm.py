"""A Slurm cluster of one node on this machine: munged, slurmctld and slurmd of its own, in one folder.

Everything it needs (key, sockets, ports, spool, logs) is its own, so it meets no other Slurm on the machine,
and it ends exactly the processes that it started. It has no accounting database, as small clusters have none.
The node declares more CPUs than the machine may have, and a GPU that is none, so that jobs may ask
for what they ask for on a real cluster; nothing confines them. As a command it keeps a cluster until its end:

    python tests/cluster/slurm.py FOLDER      # then, in another terminal, the line it prints
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 30.0
PROGRAMS = ("munged", "slurmctld", "slurmd")
"""In the order in which they are started."""
CPUS = 16
MEMORY_MB = 64_000

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Preempted by a partition of higher priority: signalled, ended, and queued again.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=work Nodes={host} Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Which of the programs that a cluster needs are not installed."""
    return [name for name in PROGRAMS if _program(name) is None]


class SlurmCluster:
    """A running cluster while its context lasts.

    Args:
        folder: for everything it writes; made if it is not there. A short path: a socket lies in it.

    Raises:
        RuntimeError: it did not come up; the message ends with the logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.configuration = self.folder / "slurm.conf"
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """What sbatch, squeue, scontrol and scancel need to find this cluster, and jobs their srun."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"SLURM_CONF": str(self.configuration), "PATH": path}

    def __enter__(self) -> Self:
        try:
            self._configure()
            self._start()
            self._wait_for_node()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(self, *words: str) -> str:
        """Standard output of one of Slurm's commands. Raises CalledProcessError if it fails."""
        done = subprocess.run(
            words,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def processes_of(self, job: str) -> list[int]:
        """Ids of the processes of a job and its steps."""
        rows = [line.split() for line in self.command("scontrol", "listpids", job).splitlines()[1:]]
        return [int(row[0]) for row in rows if int(row[0]) > 0]

    def stop(self) -> None:
        """End jobs and daemons, the last started first."""
        if len(self._started) == len(PROGRAMS):
            subprocess.run(
                ["scancel", "--user", getpass.getuser(), "--signal=KILL"],
                env={**os.environ, **self.environment},
                capture_output=True,
                timeout=60,
                check=False,
            )
        for process in reversed(self._started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._started.clear()

    def _configure(self) -> None:
        for name in ("", "state", "spool", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name).chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        controller_port, node_port = _free_ports(2)
        self.configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                folder=self.folder,
                controller_port=controller_port,
                node_port=node_port,
                cpus=CPUS,
                memory=MEMORY_MB,
            )
        )
        (self.folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/null\n")

        # Inside a job the executor plugin clears SLURM_* variables before it calls srun, which then looks for
        # the configuration in /etc/slurm, where a real cluster has it.
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)

    def _start(self) -> None:
        place = self.folder
        munged = [
            "--foreground",
            "--force",
            f"--key-file={place}/munge.key",
            f"--socket={place}/munge.socket",
        ]
        munged += [f"--pid-file={place}/munged.pid", f"--seed-file={place}/munge.seed"]
        munged += [f"--log-file={place}/munged.log", "--num-threads=2"]
        for name, arguments in (
            ("munged", munged),
            ("slurmctld", ["-D", "-f", str(self.configuration)]),
            ("slurmd", ["-D", "-f", str(self.configuration)]),
        ):
            with (place / f"{name}.out").open("wb") as log:
                self._started.append(
                    subprocess.Popen(
                        [_program(name) or name, *arguments],
                        cwd=place,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            if name == "munged":
                self._wait_for((place / "munge.socket").exists, "munged opened no socket")

    def _wait_for_node(self) -> None:
        def idle() -> bool:
            try:
                return self.command("sinfo", "--noheader", "--format=%T").split()[:1] == ["idle"]
            except subprocess.CalledProcessError:
                return False

        self._wait_for(idle, "the node did not come up")

    def _wait_for(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            ended = [process.args for process in self._started if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "".join(f"--- {p.name}\n{p.read_text()}" for p in sorted(self.folder.glob("*.out")))
                raise RuntimeError(f"{complaint}; ended: {ended}\n{logs}")
            time.sleep(0.2)


def _program(name: str) -> str | None:
    """Debian keeps the daemons outside an ordinary user's path."""
    return shutil.which(
        name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
    )


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def main() -> None:
    """Keep a cluster in the folder named on the command line until SIGINT or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with SlurmCluster(Path(sys.argv[1])) as cluster:
        print(f"export SLURM_CONF={cluster.configuration} PATH={cluster.folder}/bin:$PATH", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("ending", flush=True)


if __name__ == "__main__":
    main()
