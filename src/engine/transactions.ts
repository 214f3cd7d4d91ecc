// Transactional steps: the user's writes and the step's record are one transaction, so that it takes effect once. It takes
// the right to append from its run when its work is done, and gives it back when the outcome is known.

import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import type { AttemptTrace } from '../metrics/tracing.js'
import type { TransactionCommand } from '../workflow/command.js'
import type { Run } from './run.js'
import { acquireSlots, releaseSlots } from './steps.js'

export function beginTransaction(run: Run, command: TransactionCommand): void {
  run.attempts.set(command.seq, undefined)
  acquireSlots(run, () => void transact(run, command))
}

async function transact(run: Run, command: TransactionCommand): Promise<void> {
  const { seq, name } = command
  let holds = false
  let event: NewEvent | undefined
  let trace: AttemptTrace | undefined
  try {
    while (run.state === 'live' && !run.isClosing && !run.host.isTrusted()) {
      await new Promise<void>((resolve) => run.host.onceTrusted(resolve))
    }
    if (run.state !== 'live' || run.isClosing) return
    if (run.host.isDraining || run.isPausing) {
      // It is begun by the next claim, which must not take this copy of the run.
      run.attempts.delete(seq)
      run.isHeldBack = true
      return run.pump()
    }
    // Canceled while it waited for its turn.
    if (!run.instance.pending.has(seq)) {
      run.attempts.delete(seq)
      return run.pump()
    }
    trace = run.trace?.attempt({ seq, name, attempt: 1, atMs: run.databaseMs() })
    const traced = trace
    const { outcome } = await run.host.store.transact({
      key: run.key,
      nodeId: run.host.nodeId,
      claimEpoch: run.claimEpoch,
      work: (sql) => (traced === undefined ? command.work(sql) : traced.within(() => command.work(sql))),
      event: (result) => {
        const payload = run.encode(result, `result of transaction "${name}"`)
        event = {
          type: 'step_completed',
          seq,
          name,
          attempt: 1,
          ...(payload === undefined ? {} : { payload }),
        }
        return event
      },
      lock: async () => {
        if (!holds) holds = await run.acquireAppend(seq)
        if (!holds || run.state !== 'live' || run.isClosing)
          throw new CerebelumError(
            'CONFLICT',
            `Execution "${run.executionId}" no longer waits for transaction "${name}".`,
          )
        return run.version
      },
      unlock: () => {
        holds = false
        run.yieldAppend()
      },
    })
    run.attempts.delete(seq)
    if (outcome.kind === 'committed') trace?.end(undefined, run.databaseMs())
    await run.appended(event, outcome)
  } catch (error) {
    const isWanted = run.attempts.delete(seq)
    if (run.state !== 'live') return
    if (!isWanted) return holds ? await run.appended(undefined, undefined) : undefined
    if (error instanceof CerebelumError && ['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN'].includes(error.code)) {
      return run.drop('unavailable', error)
    }
    trace?.end({ error }, run.databaseMs())
    run.append({
      type: 'step_failed',
      seq,
      name,
      attempt: 1,
      payload: run.encodeFailure(error, { step: name, attempt: 1 }),
    })
    if (holds) await run.appended(undefined, undefined)
    else run.pump()
  } finally {
    releaseSlots(run)
  }
}
