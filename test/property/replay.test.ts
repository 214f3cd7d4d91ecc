// The replaying instance alone, without engine or database: random programs live through random orders of events, and
// the history of each, cut off at every event, is replayed by a fresh instance. It must then wait for the same
// commands, want the same things recorded, know the same time and have ended the same as the one that lived it.
//
// CEREBELUM_PROPERTY_RUNS multiplies the programs; CEREBELUM_PROPERTY_SEED repeats those of an earlier run.

import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encode } from '../../src/core/codec.js'
import type { Event, NewEvent } from '../../src/core/event.js'
import { toFailure } from '../../src/core/failure.js'
import { silentLogger } from '../../src/core/ports.js'
import type { Command, Note } from '../../src/workflow/command.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { Instance } from '../../src/workflow/instance.js'
import { interpreter, type Job } from './interpreter.js'
import { programs } from './program.js'

const RUNS = 20 * Number(process.env['CEREBELUM_PROPERTY_RUNS'] ?? 24)
const SEED = Number(process.env['CEREBELUM_PROPERTY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const EVENTS_MAX = 60

const definition = interpreter({
  send: () => Promise.resolve(),
  effect: () => Promise.resolve(),
  attempted: () => undefined,
})

/** What an instance stands at: all that the engine would see of it. */
interface Standing {
  readonly commands: readonly string[]
  readonly notes: readonly string[]
  readonly outcome: string
  readonly nowMs: number
}

function newInstance(of: Workflow<never>): Instance {
  return new Instance({ definition: of as Workflow, executionId: 'e', run: 1, log: silentLogger })
}

function encoded(value: unknown): { payload?: string } {
  const payload = encode(value, 'value', Infinity)
  return payload === undefined ? {} : { payload }
}

const nameOf = ({ seq, kind, name, intent }: Command): string =>
  `${seq} ${kind} ${name} ${intent === undefined ? 'new' : intent.version}`
const noteOf = ({ event }: Pick<Note, 'event'>): string =>
  `${event.type} ${event.seq ?? ''} ${event.name ?? ''}`

function outcomeOf({ outcome }: Instance): string {
  const error = outcome !== undefined && 'error' in outcome ? String(outcome.error) : undefined
  return inspect({ ...outcome, error }, { depth: 12, sorted: true })
}

/** Lives through a program: whatever may happen next is chosen by chance, as is how much happens between two looks. */
class Life {
  readonly history: Event[] = []
  readonly standings: Standing[] = []
  private readonly instance: Instance
  private readonly chances: readonly number[]
  private readonly open = new Map<number, { command: Command; attempt: number }>()
  private readonly noted: string[] = []
  private readonly toRecord: Note[] = []
  private readonly updated = new Set<string>()
  private drawn = 0

  constructor(of: Workflow<never>, chances: readonly number[]) {
    this.instance = newInstance(of)
    this.chances = chances
  }

  async live(input: unknown): Promise<void> {
    await this.append({ type: 'started', name: 'program', ...encoded(input) })
    while (this.history.length < EVENTS_MAX) {
      await this.look()
      const isDone = this.instance.outcome !== undefined && ![...this.open.values()].some(isStep)
      if (isDone || !(await this.happen())) return
      // Sometimes a second thing happens before anybody looks.
      if (this.chance(3) === 0) await this.happen()
    }
  }

  /** What an engine does whenever it looks: records what is wanted, begins what is new. */
  private async look(): Promise<void> {
    for (const note of this.toRecord.splice(0)) await this.append(note.event)
    for (const command of this.instance.takeCommands()) {
      this.open.set(command.seq, { command, attempt: command.intent?.attempt ?? 0 })
      const { seq, name } = command
      if (command.kind === 'sleep') await this.append({ type: 'sleep_started', seq, dueAt: new Date(0) })
      if (command.kind === 'signal' && command.timeoutMs !== undefined)
        await this.append({ type: 'signal_awaited', seq, name, dueAt: new Date(0) })
      if (command.kind === 'child') {
        const detail = JSON.stringify({ childId: command.childId })
        await this.append({ type: 'child_started', seq, name, detail })
      }
    }
  }

  private async happen(): Promise<boolean> {
    const updates = [...this.instance.updates].map(([name]) => name).filter((name) => !this.updated.has(name))
    const choice = this.chance(this.open.size + updates.length + 1)
    const name = updates[choice - this.open.size]
    if (name !== undefined) {
      this.updated.add(name)
      await this.append({ type: 'update_accepted', name, messageId: name, payload: '3' })
      return true
    }
    if (choice === this.open.size + updates.length && this.chance(20) === 0) {
      await this.append({ type: 'cancel_requested', messageId: 'c', payload: '"enough"' })
      // Nobody waits any more; but a step that is under way may still be recorded.
      for (const [seq, entry] of this.open) if (!isStep(entry)) this.open.delete(seq)
      return true
    }
    const [seq, entry] = [...this.open][choice] ?? [...this.open][0] ?? []
    if (seq === undefined || entry === undefined) return false
    this.open.delete(seq)
    await this.settle(entry.command, entry.attempt)
    return true
  }

  private async settle(command: Command, attempt: number): Promise<void> {
    const { seq, name } = command
    switch (command.kind) {
      case 'step':
        return this.attempt(command, attempt + 1)
      case 'transaction':
        return this.append({ type: 'step_completed', seq, name, attempt: 1, ...encoded(name) })
      case 'sleep':
        return this.append({ type: 'sleep_ended', seq })
      case 'signal':
        return command.timeoutMs !== undefined && this.chance(2) === 0
          ? this.append({ type: 'signal_timed_out', seq, name })
          : this.append({ type: 'signal_received', seq, name, messageId: `m${seq}`, payload: '7' })
      case 'child':
        return this.chance(3) === 0
          ? this.append({ type: 'child_failed', seq, name, ...encoded(toFailure(new RangeError('child'))) })
          : this.append({ type: 'child_completed', seq, name, ...encoded({ executionId: command.childId }) })
    }
  }

  private async attempt(command: Extract<Command, { kind: 'step' }>, attempt: number): Promise<void> {
    const { seq, name } = command
    const step = {
      executionId: 'e',
      name,
      attempt,
      idempotencyKey: `e:1:${seq}`,
      signal: new AbortController().signal,
      heartbeat: () => undefined,
      lastHeartbeat: undefined,
    }
    try {
      const value = await command.work(step)
      await this.append({ type: 'step_completed', seq, name, attempt, ...encoded(value) })
    } catch (error) {
      const payload = encoded(toFailure(error))
      const isFinal = error instanceof Error && 'retryable' in error
      if (isFinal || attempt >= 5) return this.append({ type: 'step_failed', seq, name, attempt, ...payload })
      this.open.set(seq, { command, attempt })
      if (this.chance(2) === 0)
        await this.append({ type: 'step_retrying', seq, name, attempt, dueAt: new Date(0), ...payload })
    }
  }

  private async append(written: NewEvent): Promise<void> {
    const version = this.history.length + 1
    const { delayMs: _, ...event } = written
    this.history.push({ ...event, version, at: new Date(1_000 * version + this.chance(900)) })
    await this.instance.deliver(this.history.at(-1) ?? expect.unreachable())
    const notes = this.instance.takeNotes().slice()
    this.toRecord.push(...notes)
    this.noted.push(...notes.map(noteOf))
    this.standings.push(this.standing())
  }

  private standing(): Standing {
    const recorded = new Set(this.history.map((event) => noteOf({ event })))
    const intents = new Map(this.history.filter(isIntent).map((event) => [event.seq, event]))
    return {
      commands: awaitedBy(this.instance)
        .map((command) => nameOf({ ...command, intent: intents.get(command.seq) }))
        .sort(),
      notes: this.noted.filter((note) => !recorded.has(note)),
      outcome: outcomeOf(this.instance),
      nowMs: this.instance.nowMs,
    }
  }

  private chance(below: number): number {
    const drawn = this.chances[this.drawn++ % this.chances.length] ?? 0
    return (drawn + this.drawn) % below
  }
}

/** What the code waits for, and what has to come to an end so that it can be undone. */
function awaitedBy({ pending, owing }: Instance): Command[] {
  const commands = [...[...pending.values()].map(({ command }) => command), ...owing]
  return [...new Map(commands.map((command) => [command.seq, command])).values()]
}

function isStep({ command }: { readonly command: Command }): boolean {
  return command.kind === 'step' || command.kind === 'transaction'
}

function isIntent({ type }: Event): boolean {
  return ['step_retrying', 'sleep_started', 'signal_awaited', 'child_started'].includes(type)
}

async function replayed(of: Workflow<never>, history: readonly Event[]): Promise<Standing | Error> {
  const instance = newInstance(of)
  await instance.replay(history)
  if (instance.disagreement !== undefined) return instance.disagreement
  return {
    commands: instance.takeCommands().map(nameOf).sort(),
    notes: instance.takeNotes().map(noteOf),
    outcome: outcomeOf(instance),
    nowMs: instance.nowMs,
  }
}

/** The first cut at which a replay stands elsewhere than the life did. */
async function firstDifference(of: Workflow<never>, life: Life): Promise<object | undefined> {
  for (let length = 1; length <= life.history.length; length++) {
    const lived = life.standings[length - 1]
    const again = await replayed(of, life.history.slice(0, length))
    if (again instanceof Error || inspect(again, { depth: 5 }) !== inspect(lived, { depth: 5 }))
      return { length, lived, again, history: life.history.map(noteOfEvent) }
  }
  return undefined
}

const noteOfEvent = (event: Event): string => `${event.version} ${noteOf({ event })}`
const chances = fc.array(fc.nat(1_000), { minLength: 30, maxLength: 30 })

describe(`a history of seed ${SEED}`, () => {
  it(
    'leads, cut off at any event, to where the life had led',
    async () => {
      const property = fc.asyncProperty(programs({ late: true }), chances, async (program, drawn) => {
        const life = new Life(definition, drawn)
        await life.live({ program, prefix: '', log: [] } satisfies Job)
        expect(await firstDifference(definition, life)).toBeUndefined()
      })
      await fc.assert(property, { numRuns: RUNS, seed: SEED })
    },
    30_000 + RUNS * 50,
  )
})

describe('the property finds out code that', () => {
  const dishonest: Readonly<Record<string, Workflow<never>>> = {
    'names a step by chance of its own': workflow({ name: 'w' }, async (ctx) => {
      await ctx.step(`step ${Math.random()}`, () => 0)
      return ctx.step('last', () => 0)
    }),
    'asks the clock of the machine': workflow({ name: 'w' }, async (ctx) => {
      const before = process.hrtime.bigint()
      await ctx.step('first', () => 0)
      return before
    }),
    'remembers what it did outside of the execution': (() => {
      let runs = 0
      return workflow({ name: 'w' }, async (ctx) => {
        if (runs++ > 0) await ctx.step('again', () => 0)
        await ctx.step('first', () => 0)
      })
    })(),
  }

  it.each(Object.entries(dishonest))('%s', async (_name, code) => {
    const life = new Life(code, [1, 2, 3])
    await life.live(undefined)
    expect(await firstDifference(code, life)).toBeDefined()
  })

  it('names a step by chance, as REPLAY_DISAGREES', async () => {
    const code = dishonest['names a step by chance of its own'] ?? expect.unreachable()
    const life = new Life(code, [1])
    await life.live(undefined)
    expect(await replayed(code, life.history)).toMatchObject({ code: 'REPLAY_DISAGREES' })
  })
})
