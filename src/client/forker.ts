// Forks: an execution that begins as a copy of another, up to some event of its latest run.

import { createHash } from 'node:crypto'
import { CerebelumError } from '../core/errors.js'
import { planFork } from '../core/fork.js'
import { checkId, newId } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import { randomHex } from '../core/ports.js'
import type { ExecutionRow, Store } from '../store/store.js'
import { checkWholeNumber } from './arguments.js'
import type { ForkOptions } from './client.js'
import type { Host } from './host.js'
import { notFound } from './refusals.js'
import type { Started } from './starter.js'

export interface ForkContext {
  readonly store: Store
  readonly limits: Limits
  readonly host?: Host
}

const VERSION_MAX = 2_147_483_647

export async function fork(
  source: ExecutionRow,
  options: ForkOptions,
  { store, limits, host }: ForkContext,
): Promise<Started> {
  const { executionId } = source.key
  const version = checkWholeNumber(options.version, {
    what: 'version to fork after',
    min: 1,
    max: VERSION_MAX,
  })
  const range = { from: source.runVersion, to: version }
  const events = await store.readForkable(source.key, range)
  const plan = planFork({ executionId, run: source.run, version }, events)
  const ids = idsOf(executionId, options, limits)
  const priority = plan.detail.priority ?? host?.definition(plan.workflow)?.options.priority
  const { attributes } = plan
  const outcome = await store.fork({
    key: store.keyOf(ids.executionId),
    source: { key: source.key, ...range },
    dropped: plan.dropped,
    count: plan.count,
    workflow: plan.workflow,
    workflowVersion: plan.workflowVersion,
    startId: ids.startId,
    detail: JSON.stringify(plan.detail),
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    ...(priority === undefined ? {} : { priority }),
  })
  if (outcome.kind === 'gone') throw notFound(executionId)
  if (outcome.kind === 'exists') {
    throw new CerebelumError(
      'EXECUTION_EXISTS',
      `Execution "${ids.executionId}" exists already (${outcome.row.status}) and is no fork of this call. Choose another id.`,
      { executionId: ids.executionId, status: outcome.row.status },
    )
  }
  host?.poke([store.keyOf(ids.executionId)])
  return { executionId: ids.executionId, created: true }
}

/** A fork of the same event under the same id is the same fork; so is one with the same start id. */
function idsOf(
  source: string,
  { id, startId, version }: ForkOptions,
  { idCharactersMax }: Limits,
): { readonly executionId: string; readonly startId: string } {
  if (startId !== undefined) checkId(startId, 'start id', idCharactersMax)
  if (id !== undefined) {
    const own = startId ?? `fork:${digest(`${version}\n${source}`)}`
    return { executionId: checkId(id, 'execution id', idCharactersMax), startId: own }
  }
  if (startId === undefined) return { executionId: newId(), startId: randomHex(8) }
  return { executionId: digest(`fork\n${version}\n${source}\n${startId}`), startId }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
