// An invariant checked before a run gives up its claim: what waits without a timer, a message or a child to wake it would
// wait for ever.

import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import type { Run } from './run.js'

/** @throws CerebelumError INTERNAL; the run is then dropped and loaded afresh */
export function assertWoken(run: Run, intents: readonly NewEvent[]): void {
  const written = new Set(intents.map((event) => event.seq))
  for (const { command } of run.instance.pending.values()) {
    const { kind, seq } = command
    if (kind === 'signal' || kind === 'child' || written.has(seq) || run.timers.has(seq)) continue
    throw new CerebelumError(
      'INTERNAL',
      `Execution "${run.executionId}" would be suspended while its ${kind} "${command.name}" (command ${seq}) is neither ` +
        'running nor waiting for a timer. It is loaded afresh instead; please report this.',
      { executionId: run.executionId },
    )
  }
}
