"""Stop and start a set of VMs on several hosts; nothing here forces power off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from stsfix.snapshot.errors import (
    AnswerLostError,
    HypervisorFaultError,
    NicDisconnectedError,
    OperationError,
    ShutdownOverdueError,
    ToolsUnavailableError,
    VmBusyError,
    VmNotOffError,
)
from stsfix.snapshot.fleet import Fleet, Limits, raise_worst
from stsfix.snapshot.model import PowerState, VmId
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from stsfix.snapshot.model import HostRef, NicState, TaskKey, VmFacts
    from stsfix.snapshot.ordering import Waves
    from stsfix.snapshot.ports import Clock, Hypervisor

logger = logging.getLogger(__name__)

ProgressHook: TypeAlias = Callable[[VmId, str], None]
"""Told what happens to which VM, one short sentence; must not raise."""


class PowerControl:
    """Stops and starts VMs through their hosts, and looks at them.

    Every method may raise HostUnreachableError (a host was silent for `Limits.silence`),
    HostLoginError, HostTlsError and VmNotFoundError.
    """

    def __init__(
        self,
        hypervisors: Mapping[HostRef, Hypervisor],
        clock: Clock,
        limits: Limits,
        *,
        progress: ProgressHook | None = None,
        pool: Executor | None = None,
    ) -> None:
        self._fleet = Fleet(hypervisors, clock, limits, pool)
        self._clock = clock
        self._limits = limits
        self._progress = progress

    def observe(self, vms: Sequence[VmId]) -> Mapping[VmId, VmFacts]:
        """Read all facts of *vms*."""
        return self._fleet.observe(vms)

    def require_off(self, vms: Sequence[VmId]) -> None:
        """Return if every one of *vms* is powered off.

        Raises:
            VmNotOffError: Some are not.
        """
        facts = self._fleet.observe(vms)
        running = [vm for vm in vms if facts[vm].summary.power is not PowerState.OFF]
        if running:
            raise VmNotOffError(running)

    def shut_down(self, waves: Waves) -> None:
        """Shut the guests down wave by wave; afterwards every VM is off. Never forces.

        Raises:
            ShutdownOverdueError: A guest was still on after `Limits.shutdown`; later waves
                were not asked.
            ToolsUnavailableError: A guest could not even be asked for `Limits.tools`.
            HypervisorFaultError: A host refused (suspended VM, disabled method).
        """
        for wave in waves:
            self._stop_wave(wave)

    def _stop_wave(self, wave: Sequence[VmId]) -> None:
        began = self._clock.monotonic()
        asked: set[VmId] = set()
        on: list[VmId] = list(wave)

        def look() -> bool | None:
            facts = self._fleet.observe(wave)
            on[:] = [vm for vm in wave if facts[vm].summary.power is not PowerState.OFF]
            for vm in on:
                if vm not in asked and self._ask_to_stop(vm, self._clock.monotonic() - began):
                    asked.add(vm)
            return None if on else True

        limits = self._limits
        done = poll_until(
            look, clock=self._clock, limit=limits.shutdown, every=limits.poll, transient=()
        )
        if done is None:
            raise ShutdownOverdueError(on, self._clock.monotonic() - began)

    def _ask_to_stop(self, vm: VmId, waited_s: float) -> bool:
        """Ask once; False if the guest could not be asked yet, and nothing was done."""
        try:
            self._fleet.host_of(vm).start_guest_shutdown(vm)
        except ToolsUnavailableError:
            # Right after power-on, and at the end of a shutdown that an earlier process asked
            # for, Tools does not run either: time tells which it is.
            if waited_s >= self._limits.tools.total_seconds():
                raise
            return False
        except VmBusyError:
            return False
        except AnswerLostError:
            logger.info("the answer of %s to the shutdown of %s was lost", vm.host, vm)
        self._tell(vm, "asked to shut down")
        return True

    def power_on(
        self,
        waves: Waves,
        nics_before: Mapping[VmId, Sequence[NicState]],
        *,
        ready: Callable[[tuple[VmId, ...]], None] | None = None,
    ) -> None:
        """Power on wave by wave; afterwards every VM is on, with the network it had.

        Args:
            waves: See `ordering.start_waves`; VMs that are on already are fine.
            nics_before: Adapters as they were before the power-off; VMs may be missing.
            ready: Called after each wave; returns when its services answer.

        Raises:
            NicDisconnectedError: An adapter that was connected before is not.
            TaskOverdueError: A power-on takes longer than `Limits.power_on`.
            AnswerLostError: An answer was lost and the VM did not come on.
            VmBusyError, HypervisorFaultError: A power-on was refused or failed.
        """
        for wave in waves:
            self._start_wave(wave)
            for vm in wave:
                self._check_nics(vm, nics_before.get(vm, ()))
            if ready is not None:
                ready(wave)

    def _start_wave(self, wave: Sequence[VmId]) -> None:
        facts = self._fleet.observe(wave)
        tasks: dict[VmId, TaskKey] = {}
        lost: list[OperationError] = []
        for vm in wave:
            if facts[vm].summary.power is PowerState.ON:
                continue
            try:
                key = self._fleet.when_free(partial(self._host(vm).start_power_on, vm))
            except AnswerLostError as error:
                lost.append(error)
                continue
            except VmBusyError as error:
                self._name_questions(wave, error)
                raise
            self._tell(vm, "powering on")
            if key is not None:
                tasks[vm] = key
        errors = self._fleet.await_tasks(tasks, limit=self._limits.power_on).errors
        if errors:
            self._name_questions(wave, errors[0])
        raise_worst(errors)
        off = self._await_on(wave, long=bool(lost))
        if off:
            raise_worst(lost)
            raise HypervisorFaultError(str(off[0]), "InvalidPowerState", "it is not on")

    def _await_on(self, wave: Sequence[VmId], *, long: bool) -> list[VmId]:
        off = list(wave)

        def look() -> bool | None:
            facts = self._fleet.observe(wave)
            off[:] = [vm for vm in wave if facts[vm].summary.power is not PowerState.ON]
            return None if off else True

        limit = self._limits.power_on if long else self._limits.doubt
        poll_until(look, clock=self._clock, limit=limit, every=self._limits.poll, transient=())
        return off

    def _name_questions(self, wave: Sequence[VmId], error: OperationError) -> None:
        for vm, facts in self._fleet.observe(wave).items():
            if facts.question is not None:
                error.add_note(f"{vm} waits for an answer: {facts.question}")

    def _check_nics(self, vm: VmId, before: Sequence[NicState]) -> None:
        wanted = {nic.label for nic in before if nic.connected}
        cut: list[str] = []

        def look() -> bool | None:
            nics = self._fleet.observe((vm,))[vm].nics
            cut[:] = sorted(wanted - {nic.label for nic in nics if nic.connected})
            return None if cut else True

        if wanted and not poll_until(
            look,
            clock=self._clock,
            limit=self._limits.nics,
            every=self._limits.poll,
            transient=(),
        ):
            raise NicDisconnectedError(vm, cut)

    def _host(self, vm: VmId) -> Hypervisor:
        return self._fleet.host_of(vm)

    def _tell(self, vm: VmId, text: str) -> None:
        logger.debug("%s: %s", vm, text)
        if self._progress is not None:
            self._progress(vm, text)
