// The work of a simulated cluster: executions of a few steps and sleeps that take their time, and whose result tells
// whether each step was done.

import type { StartedDetail } from '../../src/core/event.js'
import type { StartRow, Store } from '../../src/store/store.js'
import type { StepContext } from '../../src/workflow/context.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import type { Chance } from './chance.js'
import type { Machine } from './machine.js'

type Part =
  | { readonly kind: 'step'; readonly ms: number }
  | { readonly kind: 'pair'; readonly ms: readonly [number, number] }
  | { readonly kind: 'sleep'; readonly ms: number }

export type Job = readonly Part[]

const NAME = 'job'

export function drawJob(chance: Chance): Job {
  return Array.from({ length: 1 + chance.below(4) }, (): Part => {
    const ms = Math.floor(chance.chance(0.1) ? chance.between(500, 4_000) : chance.between(0, 300))
    const kind = chance.pick(['step', 'step', 'sleep', 'pair'] as const) ?? 'step'
    return kind === 'pair' ? { kind, ms: [ms, chance.below(300)] } : { kind, ms }
  })
}

/** What it gives: the sum over its steps of their place. */
export function resultOf(job: Job): number {
  return job.reduce(
    (sum, { kind }, n) => sum + (kind === 'sleep' ? 0 : (n + 1) * (kind === 'pair' ? 2 : 1)),
    0,
  )
}

/** The workflow as this machine runs it. */
export function jobOn(machine: Machine, begins: (step: StepContext) => void): Workflow {
  const work = (step: StepContext, ms: number, result: number): Promise<number> => {
    begins(step)
    return new Promise((resolve) => machine.clock.after(ms, () => resolve(result)))
  }
  return workflow({ name: NAME }, async (ctx, job: Job) => {
    let sum = 0
    for (const [n, part] of job.entries()) {
      if (part.kind === 'sleep') await ctx.sleep(part.ms)
      else if (part.kind === 'step') sum += await ctx.step(`${n}`, (step) => work(step, part.ms, n + 1))
      else {
        const both = part.ms.map((ms, i) => ctx.step(`${n}.${i}`, (step) => work(step, ms, n + 1)))
        for (const result of await Promise.all(both)) sum += result
      }
    }
    return sum
  })
}

export function startOf(executionId: string, job: Job, store: Store): StartRow {
  const detail: StartedDetail = { workflow: NAME, workflowVersion: '1', run: 1 }
  return {
    key: store.keyOf(executionId),
    workflow: NAME,
    workflowVersion: '1',
    startId: executionId,
    claimedBy: null,
    event: { type: 'started', name: NAME, detail: JSON.stringify(detail), payload: JSON.stringify(job) },
  }
}

/** As a client in the node's process starts it: claimed by the node when it can run it. */
export async function startOn({ node, store }: Machine, row: StartRow): Promise<boolean> {
  const claimable = { ...row, claimedBy: node.claimant(NAME) }
  try {
    const [outcome] = await store.insertExecutions([claimable])
    if (outcome === undefined) return false
    node.started(claimable, outcome)
    return outcome.kind === 'created'
  } catch {
    node.startFailed(claimable)
    return false
  }
}
