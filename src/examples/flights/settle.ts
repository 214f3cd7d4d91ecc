// Waits until every flight's execution has ended, however it ended. A bounded number of waiters goes through the ids
// in the order of their start, so that waiting costs the database next to nothing.

import { errorCode } from '../../core/errors.js'
import type { Client } from '../../index.js'

const WAITERS = 500
/** More than any flight needs: what takes longer is stuck. */
const LONGEST = '5 minutes'

const ENDED = ['EXECUTION_FAILED', 'EXECUTION_CANCELED', 'EXECUTION_TERMINATED']

/**
 * @throws CerebelumError RESULT_TIMEOUT when one of them hangs, EXECUTION_NOT_FOUND when one is lost, or the reason
 * of `signal`
 */
export async function settle(
  client: Client,
  executionIds: readonly string[],
  options: { readonly signal: AbortSignal; readonly onProgress: (settled: number) => void },
): Promise<void> {
  const { signal, onProgress } = options
  const ids = executionIds.values()
  let settled = 0
  // All waiters draw from one iterator: none waits for another's flights.
  const wait = async (): Promise<void> => {
    for (const executionId of ids) {
      await ended(client, executionId, signal)
      settled += 1
      onProgress(settled)
    }
  }
  await Promise.all(Array.from({ length: WAITERS }, wait))
}

async function ended(client: Client, executionId: string, signal: AbortSignal): Promise<void> {
  try {
    await client.result(executionId, { timeout: LONGEST, signal })
  } catch (error) {
    const code = errorCode(error)
    if (code === undefined || !ENDED.includes(code)) throw error
  }
}
