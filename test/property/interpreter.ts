// The one workflow that carries out any program. Every command is named by its place in the program, and everything
// that the code sees goes into a log, which is the result: two runs of a program are the same if their logs are.

import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { NonRetryableError } from '../../src/core/failure.js'
import type { WorkflowContext } from '../../src/workflow/context.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import type { Node, Program } from './program.js'

/** What steps may do to the world outside. */
export interface World {
  /** A step sends its own execution a signal; the same one however often it is attempted. */
  send(executionId: string, name: string, value: unknown): Promise<void>
  /** A transactional step writes that it took effect. */
  effect(
    sql: Parameters<Parameters<WorkflowContext['transaction']>[1]>[0],
    executionId: string,
    name: string,
  ): Promise<unknown>
  /** A step was attempted. */
  attempted(executionId: string, name: string): void
}

export interface Job {
  readonly program: Program
  readonly prefix: string
  readonly log: readonly unknown[]
}

type Log = (entry: unknown) => void

/** Probes record what the code drew; the value differs from execution to execution. */
export const isProbe = (name: string | undefined): boolean => name?.startsWith('draw ') ?? false

export const QUEUE = 'queue'

export function interpreter(world: World): Workflow<Job, readonly unknown[]> {
  const definition: Workflow<Job, readonly unknown[]> = workflow(
    { name: 'program' },
    async (ctx, job: Job) => {
      const entries = [...job.log]
      const { program, prefix } = job
      await new Interpreter(ctx, world, definition, (entry) => void entries.push(entry)).sequence(
        program,
        prefix,
      )
      const { end } = program
      if (typeof end === 'object')
        return ctx.continueAsNew({ program: end.next, prefix: `${prefix}next.`, log: entries } satisfies Job)
      // An error would not tell what the code saw.
      await ctx.step('log', () => entries)
      if (end === 'throw') throw new RangeError(`end of ${prefix}`)
      return entries
    },
  )
  return definition
}

class Interpreter {
  private readonly ctx: WorkflowContext
  private readonly world: World
  private readonly definition: Workflow<Job, readonly unknown[]>
  private readonly log: Log

  constructor(ctx: WorkflowContext, world: World, definition: Workflow<Job, readonly unknown[]>, log: Log) {
    this.ctx = ctx
    this.world = world
    this.definition = definition
    this.log = log
  }

  async sequence(program: Program, prefix: string): Promise<void> {
    for (const [index, node] of program.nodes.entries()) {
      const path = `${prefix}${index}`
      try {
        this.log([path, await this.run(node, path)])
      } catch (error) {
        this.log([path, 'failed', String(error)])
      }
    }
  }

  private async run(node: Node, path: string): Promise<unknown> {
    const { ctx } = this
    switch (node.kind) {
      case 'step':
        return this.step(path, node.value, node)
      case 'late':
        return ctx.step(path, (step) => this.attempt(path, step.attempt, 1, 'late'), {
          retry: { attempts: 2, initial: 1_050, jitter: 0 },
        })
      case 'fatal':
        return ctx.step(path, () => {
          this.world.attempted(ctx.executionId, path)
          throw new NonRetryableError(`never ${path}`)
        })
      case 'unawaited':
        void this.step(path, node.value, { failures: 0, undo: false })
        return 'not awaited'
      case 'transaction':
        return ctx.transaction(path, async (sql) => {
          await this.world.effect(sql, ctx.executionId, path)
          return path
        })
      case 'sleep':
        return ctx.sleep(node.ms)
      case 'signal':
        return this.signal(path, node)
      case 'take':
        return ctx.signal(QUEUE, z.number())
      case 'update':
        return this.update(path)
      case 'child':
        return this.child(path, node)
      case 'draw':
        return this.draw(path, node.what)
      case 'attributes':
        return ctx.setAttributes({ [`a${path}`]: node.value })
      case 'patched':
        return ctx.patched(path)
      case 'all':
      case 'settled':
        return this.branches(path, node)
      case 'race':
        return Promise.race([
          this.run(node.winner, path),
          ...node.losers.map((loser, index) =>
            loser === 'sleep' ? ctx.sleep('1 hour') : ctx.signal(`${path} loser ${index}`, z.unknown()),
          ),
        ])
      case 'any':
        return Promise.any([
          ...Array.from({ length: node.failing }, (_, index) =>
            this.run({ kind: 'fatal' }, `${path} failing ${index}`),
          ),
          this.step(path, 'any', { failures: 0, undo: false }),
        ])
    }
  }

  private step(path: string, value: unknown, options: { failures: number; undo: boolean }): Promise<unknown> {
    return this.ctx.step(path, (step) => this.attempt(path, step.attempt, options.failures, value), {
      retry: { attempts: 5, initial: 1, jitter: 0 },
      ...(options.undo ? { compensate: (result) => this.attempt(`undo ${path}`, 1, 0, result) } : {}),
    })
  }

  private async attempt(path: string, attempt: number, failures: number, value: unknown): Promise<unknown> {
    this.world.attempted(this.ctx.executionId, path)
    await Promise.resolve()
    if (attempt <= failures) throw new TypeError(`attempt ${attempt} of ${path}`)
    return value
  }

  private async signal(path: string, node: Extract<Node, { kind: 'signal' }>): Promise<unknown> {
    const { ctx, world } = this
    if (node.sent === 'never') return ctx.signal(path, z.unknown(), { timeout: 15 })
    // A child has an id that the sender outside does not know.
    if (node.sent === 'self' || path.includes('/'))
      await ctx.step(`send ${path}`, () => world.send(ctx.executionId, path, node.value))
    return ctx.signal(path, z.unknown(), { timeout: '1 hour' })
  }

  /** Waits for an update whose handler takes a step; the wait beside it only says that the code is not stuck. */
  private async update(path: string): Promise<unknown> {
    const { ctx } = this
    const handled = new Promise((resolve) => {
      ctx.onUpdate(path, z.number(), async (value) => {
        const doubled = await ctx.step(`handle ${path}`, () => value * 2)
        resolve(doubled)
        return doubled
      })
    })
    return Promise.race([handled, ctx.signal(`${path} never`, z.unknown())])
  }

  private async child(path: string, node: Extract<Node, { kind: 'child' }>): Promise<unknown> {
    const job: Job = { program: node.program, prefix: `${path}/`, log: [] }
    if (!node.detach) return this.ctx.child(this.definition, job)
    await this.ctx.child(this.definition, job, { detach: true })
    return 'detached'
  }

  /** What is drawn is recorded by a step; a replay that draws anything else is found out, now or later. */
  private async draw(path: string, what: 'now' | 'random' | 'uuid'): Promise<unknown> {
    const { ctx } = this
    const drawn = { now: () => ctx.now(), random: () => ctx.random(), uuid: () => ctx.uuid() }[what]()
    const recorded = await ctx.step(`draw ${path}`, () => drawn)
    return isDeepStrictEqual(drawn, recorded) ? 'as recorded' : ['drew', drawn, 'recorded', recorded]
  }

  /** Waits for all of them in the end, so that what comes after does not depend on how far the others were. */
  private async branches(path: string, node: Extract<Node, { kind: 'all' | 'settled' }>): Promise<unknown> {
    const parts = node.branches.map(async (branch, index) => {
      const log: unknown[] = []
      const part = new Interpreter(this.ctx, this.world, this.definition, (entry) => void log.push(entry))
      await part.sequence(branch, `${path}.${index}.`)
      // Whichever comes first: they must not differ.
      if (branch.end === 'throw') throw new RangeError(`end of a branch of ${path}`)
      return log
    })
    try {
      if (node.kind === 'all') return await Promise.all(parts)
    } finally {
      await Promise.allSettled(parts)
    }
    const settled = await Promise.allSettled(parts)
    return settled.map((part) => (part.status === 'fulfilled' ? part.value : String(part.reason)))
  }
}
