// One run of a workflow in memory: the user's function, the commands it waits for, and the delivery of outcomes.
// Pure of I/O: the engine feeds events in the order of their versions and carries out the commands. Live and replay
// take the same path, one outcome at a time with the code drained in between, so both fall out the same.

import { decode } from '../core/codec.js'
import { CerebelumError } from '../core/errors.js'
import type { Event, NewEvent, Seed, StartedDetail } from '../core/event.js'
import type { Attributes } from '../core/execution.js'
import { CanceledError, fromFailure } from '../core/failure.js'
import { DEFAULT_LIMITS, type Limits } from '../core/limits.js'
import type { Logger } from '../core/ports.js'
import { DEFAULT_RETRY, type ResolvedRetryPolicy } from '../core/retry.js'
import { SmallMap } from '../core/small-map.js'
import { seededRandom } from './chance.js'
import type { Command, Note, RunOutcome } from './command.js'
import type { StepContext } from './context.js'
import { makeContext } from './make-context.js'
import type { Workflow } from './define.js'
import { drain } from './drain.js'
import { markThrown } from './thrown.js'
import { validate } from './validate.js'
import { familyOf, indexHistory, INTENTS, type Family, type RecordedHistory } from './recorded.js'

/** What the code waits for. */
class Pending {
  readonly command: Command
  readonly promise: Promise<unknown>
  /** Takes the result of a step that is to be undone should the run fail. */
  readonly onResult: ((value: unknown) => void) | undefined
  resolve: (value: unknown) => void = ignore
  #reject: (error: unknown) => void = ignore

  constructor(command: Command, onResult: ((value: unknown) => void) | undefined) {
    this.command = command
    this.onResult = onResult
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.#reject = reject
    })
  }

  reject(error: unknown): void {
    // A step nobody awaits may fail without ending the process.
    this.promise.catch(ignore)
    this.#reject(error)
  }
}

function ignore(): void {}

export interface UpdateHandler {
  readonly schema: import('@standard-schema/spec').StandardSchemaV1
  readonly handle: (value: unknown) => unknown
  readonly validate: ((value: unknown) => void) | undefined
}

interface Undo {
  readonly name: string
  readonly work: (step: StepContext) => unknown
}

export interface InstanceOptions {
  readonly definition: Workflow
  readonly executionId: string
  readonly run: number
  readonly log: Logger
  /** Default: the defaults. */
  readonly limits?: Limits
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
export type CommandSpec = DistributiveOmit<Command, 'seq' | 'intent' | 'issuedAtMs'>

/** What was done has to be undone: more attempts than for doing it. */
const UNDO_RETRY: ResolvedRetryPolicy = { ...DEFAULT_RETRY, attempts: 10 }

const EMPTY: RecordedHistory = { commands: new Map(), patches: new Set(), seqMax: 0 }

/** Commands kept during a replay before those that are settled are forgotten. */
const FRESH_MAX = 256

export class Instance {
  readonly pending = new SmallMap<number, Pending>()
  readonly options: InstanceOptions
  readonly queries = new SmallMap<string, (args: unknown) => unknown>()
  readonly updates = new SmallMap<string, UpdateHandler>()
  /** Updates whose handlers have not come to an answer. */
  readonly openUpdates = new SmallMap<string, true>()
  /** How the code ended; the engine records it when nothing of it is in flight any more. */
  outcome: RunOutcome | undefined
  /** Set once when code and history disagree: the instance is then useless, the history is not harmed. */
  disagreement: CerebelumError | undefined
  isCanceled = false
  /** The code has failed or was canceled, and what it did is being undone; a request to cancel changes nothing more. */
  isUnwinding = false
  isReplaying = false
  nowMs = 0
  readonly limits: Limits
  /** What the execution has as attributes, as far as this run knows. */
  attributes: Attributes = {}

  private seq = 0
  private chance: (() => number) | undefined
  /** Of a fork: whose chance what was copied was drawn with; the first is in use. */
  private seeds: readonly Seed[] = []
  private runVersion = 1
  private fresh: Command[] = []
  private notes: Note[] = []
  private recorded: RecordedHistory = EMPTY
  private readonly abandoned = new SmallMap<number, true>()
  /** Steps that nobody awaits any more, but whose result has to be undone once it is there. */
  private readonly owed = new SmallMap<number, Pending>()
  /** The last command before the unwinding began. */
  private lastSeq = Infinity
  private onOwedSettled: (() => void) | undefined
  private readonly patches = new SmallMap<string, boolean>()
  private readonly undo: Undo[] = []

  constructor(options: InstanceOptions) {
    this.options = options
    this.limits = options.limits ?? DEFAULT_LIMITS
  }

  /**
   * Feeds the whole history of a run, `started` first. Afterwards the instance is live, or has a `disagreement`.
   * `isSeen`: the code has been as far as that before; else what it says after the last event is new.
   */
  async replay(events: readonly Event[], isSeen = false): Promise<void> {
    this.recorded = events.length > 1 ? indexHistory(events) : EMPTY
    this.isReplaying = events.length > 1 || isSeen
    const last = events.length - 1
    let freshMax = FRESH_MAX
    for (let index = 0; index <= last; index++) {
      const event = events[index]
      if (event === undefined) break
      if (index === last) this.isReplaying = isSeen
      await this.deliver(event)
      if (this.disagreement !== undefined) return
      if (this.fresh.length >= freshMax) {
        // Commands that the history has settled are nobody's any more: a long one would hold all of them to its end.
        this.fresh = this.fresh.filter(({ seq }) => this.pending.has(seq) || this.owed.has(seq))
        freshMax = Math.max(FRESH_MAX, this.fresh.length * 2)
      }
    }
    this.isReplaying = false
  }

  /** Applies one event and drains the code; undefined: the code can go no further. */
  deliver(event: Event): Promise<void> | undefined {
    if (event.type === 'started') return this.begin(event)
    return this.apply(event) ? drain() : undefined
  }

  /** Commands issued since the last call that are still unsettled, in order; those that `wanted` refuses are left. */
  takeCommands(wanted?: (command: Command) => boolean): Command[] {
    if (this.fresh.length === 0) return []
    const unsettled = this.fresh.filter(({ seq }) => this.pending.has(seq) || this.owed.has(seq))
    this.fresh = wanted === undefined ? [] : unsettled.filter((command) => !wanted(command))
    return wanted === undefined ? unsettled : unsettled.filter(wanted)
  }

  /** Whether commands wait to be taken. */
  get hasFresh(): boolean {
    return this.fresh.some(({ seq }) => this.pending.has(seq) || this.owed.has(seq))
  }

  /** Whether the outcome of a command still matters to the code. */
  isWanted(seq: number): boolean {
    return this.pending.has(seq) && (!this.isUnwinding || seq > this.lastSeq)
  }

  /** Whether a step's result is wanted only to be undone: it need not succeed, but it must come to an end. */
  isOwed(seq: number): boolean {
    if (this.owed.has(seq)) return true
    const pending = this.pending.get(seq)
    return pending !== undefined && this.isOwedBy(pending)
  }

  private isOwedBy({ command, onResult }: Pending): boolean {
    return this.isUnwinding && command.seq <= this.lastSeq && onResult !== undefined
  }

  /** The steps whose results are wanted only to be undone. */
  get owing(): Command[] {
    return [...this.owed.values(), ...this.pending.values()]
      .map(({ command }) => command)
      .filter(({ seq }) => this.isOwed(seq))
  }

  /** What the code waits for, in the order in which it asked. */
  *awaited(): Iterable<Command> {
    for (const { command } of this.owed.values()) yield command
    for (const { command } of this.pending.values()) yield command
  }

  takeNotes(): Note[] {
    if (this.notes.length === 0) return this.notes
    const taken = this.notes
    this.notes = []
    return taken
  }

  /** Nothing pending, not ended: the code waits for something that is not ours. */
  get isStalled(): boolean {
    return (
      this.outcome === undefined &&
      this.pending.size === 0 &&
      this.owed.size === 0 &&
      this.notes.length === 0 &&
      // It may wait for what the handler of an update will bring.
      this.updates.size === 0
    )
  }

  // ---- for the context

  issue(spec: CommandSpec, onResult?: (value: unknown) => void): Promise<unknown> {
    const family: Family = spec.kind === 'transaction' ? 'step' : spec.kind
    const seq = ++this.seq
    const known = this.recorded.commands.get(seq)
    if (known !== undefined && (known.family !== family || known.name !== spec.name)) {
      this.disagree(known.version, describe(known.family, known.name, seq), describe(family, spec.name, seq))
      return new Promise(() => {})
    }
    // Every caller makes its spec for this call: copying it by a spread was a third of a replay.
    const command: Command = Object.assign(spec, { seq, issuedAtMs: this.nowMs, intent: known?.intent })
    this.fresh.push(command)
    const pending = new Pending(command, onResult)
    this.pending.set(seq, pending)
    return pending.promise
  }

  /** Records something without an outcome, unless the history has it already. */
  note(family: 'attributes' | 'update', name: string, make: (seq: number) => Note): void {
    const seq = ++this.seq
    const known = this.recorded.commands.get(seq)
    if (known === undefined) {
      this.notes.push(make(seq))
    } else if (known.family !== family || known.name !== name) {
      this.disagree(known.version, describe(known.family, known.name, seq), describe(family, name, seq))
    }
  }

  patched(id: string): boolean {
    const known = this.patches.get(id)
    if (known !== undefined) return known
    const taken = this.recorded.patches.has(id) || this.seq >= this.recorded.seqMax
    if (taken && !this.recorded.patches.has(id)) {
      const event: NewEvent = { type: 'patched', name: id }
      this.notes.push({ kind: 'note', event })
    }
    this.patches.set(id, taken)
    return taken
  }

  random(): number {
    // Seeded on first use: most workflows draw nothing.
    const { executionId, run } = this.seeds[0] ?? this.options
    this.chance ??= seededRandom(executionId, run)
    return this.chance()
  }

  onFailure(name: string, work: (step: StepContext) => unknown): void {
    this.undo.push({ name, work })
  }

  end(outcome: RunOutcome): void {
    this.outcome ??= outcome
  }

  // ---- inside

  /** Applies an event of the run under way; returns whether code may have become able to go on: drain it then. */
  apply(event: Event): boolean {
    if (this.seeds.length > 0) this.passSeeds(event)
    switch (event.type) {
      case 'step_completed':
      case 'signal_received':
      case 'child_completed':
        return this.settle(event, (pending) => pending.resolve(decode(event.payload)))
      case 'sleep_ended':
      case 'signal_timed_out':
        return this.settle(event, (pending) => pending.resolve(undefined))
      case 'step_failed':
      case 'child_failed':
        return this.settle(event, (pending) => pending.reject(markThrown(fromFailure(decode(event.payload)))))
      case 'child_started':
        return this.childStarted(event)
      case 'update_accepted':
        this.advanceClock(event)
        return this.startUpdate(event)
      case 'cancel_requested':
        this.advanceClock(event)
        return this.cancel(decode(event.payload))
      default:
        if (INTENTS.has(event.type) && event.seq !== undefined && event.seq > this.seq) this.unreached(event)
        return false
    }
  }

  /** Begins the code. An input that its starter could not check is checked here, each time, before any of it runs. */
  private begin(event: Event): Promise<void> {
    const { attributes, isUnchecked, seeds } = readStarted(event)
    this.seeds = seeds
    this.runVersion = event.version
    this.advanceClock(event)
    this.attributes = attributes
    const input = decode(event.payload)
    if (isUnchecked) return this.beginUnchecked(input)
    void this.main(input)
    return drain()
  }

  /** Behind the events of a seed the next one counts, and behind all of them the run's own. */
  private passSeeds({ version }: Event): void {
    const left = this.seeds.filter(({ until }) => version - this.runVersion < until)
    if (left.length < this.seeds.length) this.chance = undefined
    this.seeds = left
  }

  private async beginUnchecked(given: unknown): Promise<void> {
    const { definition, executionId } = this.options
    try {
      const what = `input of execution "${executionId}"`
      const input = await validate(definition.options.input, given, what, 'INVALID_INPUT', { executionId })
      void this.main(input)
    } catch (error) {
      this.end({ kind: 'failed', error })
    }
    await drain()
  }

  private async main(input: unknown): Promise<void> {
    try {
      const value = await this.options.definition.run(makeContext(this), input)
      this.end({ kind: 'completed', value })
    } catch (error) {
      const kind = this.isCanceled && error instanceof CanceledError ? 'canceled' : 'failed'
      await this.unwind()
      this.end({ kind, error })
    }
  }

  /**
   * Undoes what was done, in the reverse of the order in which it was done. Steps in flight that would have to be
   * undone are waited for first: begun later, they may rest on the earlier ones.
   */
  private async unwind(): Promise<void> {
    this.isUnwinding = true
    this.lastSeq = this.seq
    for (;;) {
      while (this.owing.length > 0) await new Promise<void>((resolve) => (this.onOwedSettled = resolve))
      const entry = this.undo.pop()
      if (entry === undefined) return
      await this.undoOne(entry)
    }
  }

  private async undoOne({ name, work }: Undo): Promise<void> {
    try {
      await this.issue({ kind: 'step', name, work, options: {}, retry: UNDO_RETRY })
    } catch {
      // Recorded as step_failed in the history; the others are still to be undone.
      const { log, executionId } = this.options
      if (!this.isReplaying) log.error({ executionId, step: name }, 'a compensation failed for good')
    }
  }

  private settle(event: Event, act: (pending: Pending) => void): boolean {
    const seq = event.seq ?? -1
    const pending = this.pending.get(seq)
    if (pending === undefined) return this.settleOwed(event)
    this.pending.delete(seq)
    // The engine may have given a step up whose end was on its way: the first of the two counts.
    if (this.isOwedBy(pending)) this.abandoned.set(seq, true)
    this.advanceClock(event)
    if (event.type === 'step_completed') pending.onResult?.(decode(event.payload))
    act(pending)
    this.onOwedSettled?.()
    return true
  }

  /** The end of a step that nobody awaits any more. */
  private settleOwed(event: Event): boolean {
    const seq = event.seq ?? -1
    const owed = this.owed.get(seq)
    if (owed === undefined) {
      if (!this.abandoned.has(seq)) this.unreached(event)
      return false
    }
    this.owed.delete(seq)
    this.abandoned.set(seq, true)
    this.advanceClock(event)
    if (event.type === 'step_completed') owed.onResult?.(decode(event.payload))
    this.onOwedSettled?.()
    return true
  }

  private childStarted(event: Event): boolean {
    const pending = this.pending.get(event.seq ?? -1)
    if (pending === undefined) {
      if (!this.abandoned.has(event.seq ?? -1)) this.unreached(event)
      return false
    }
    return false
  }

  private startUpdate(event: Event): boolean {
    const name = event.name ?? ''
    const messageId = event.messageId ?? ''
    const handler = this.updates.get(name)
    if (handler === undefined) {
      this.disagree(event.version, `an accepted update "${name}"`, 'no handler for that update')
      return false
    }
    this.openUpdates.set(messageId, true)
    const answer = (ok: boolean, value: unknown): void => {
      this.openUpdates.delete(messageId)
      this.note('update', name, (seq) => ({
        kind: 'note',
        event: { type: 'update_completed', seq, name, messageId },
        answer: { messageId, ok, value },
      }))
    }
    void (async () => handler.handle(decode(event.payload)))().then(
      (value) => answer(true, value),
      (error: unknown) => answer(false, error),
    )
    return true
  }

  private cancel(reason: unknown): boolean {
    if (this.isCanceled || this.isUnwinding) return false
    this.isCanceled = true
    const waiting = [...this.pending.values()]
    this.pending.clear()
    for (const pending of waiting) {
      const { seq } = pending.command
      if (pending.onResult === undefined) this.abandoned.set(seq, true)
      else this.owed.set(seq, pending)
    }
    for (const pending of waiting)
      pending.reject(markThrown(new CanceledError(typeof reason === 'string' ? reason : 'no reason given')))
    return true
  }

  private advanceClock(event: Event): void {
    this.nowMs = Math.max(this.nowMs, event.at.getTime())
  }

  private unreached(event: Event): void {
    const family = familyOf(event.type) ?? 'step'
    this.disagree(
      event.version,
      describe(family, event.name ?? '', event.seq ?? 0),
      'nothing that waits for it',
    )
  }

  private disagree(version: number, recorded: string, code: string): void {
    const { executionId, definition } = this.options
    this.disagreement ??= new CerebelumError(
      'REPLAY_DISAGREES',
      `Execution "${executionId}" cannot be replayed with this code of workflow "${definition.name}" ` +
        `(version ${definition.version}): at event ${version} the history has ${recorded}, the code has ${code}. ` +
        'Nothing was failed: deploy code that agrees with the history (see ctx.patched) and it goes on by itself.',
      { executionId, workflow: definition.name, version, recorded, code },
    )
  }
}

function readStarted(event: Event): Started {
  const detail: Partial<StartedDetail> = Object(JSON.parse(event.detail ?? '{}'))
  const { attributes = {}, unchecked, seeds = [] } = detail
  return { attributes, isUnchecked: unchecked === true, seeds }
}

interface Started {
  readonly attributes: Attributes
  readonly isUnchecked: boolean
  readonly seeds: readonly Seed[]
}

function describe(family: Family, name: string, seq: number): string {
  return `${family}${name === '' ? '' : ` "${name}"`} as command ${seq}`
}
