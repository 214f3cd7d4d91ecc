// Stands before the workflows that have limits: what is claimed and has not passed its gates goes into their lines instead
// of beginning, and the lines move whenever somebody joins them or ends. Whether it has passed is told by the history
// alone, so that no doorbell that rings too early lets anybody in.

import { decode } from '../core/codec.js'
import { errorCode } from '../core/errors.js'
import type { AdmittedDetail, Event, StartedDetail } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import type { Gate } from '../core/gate.js'
import { Lane } from '../core/lane.js'
import { Loop } from '../core/loop.js'
import { PRIORITY_DEFAULT } from '../core/priority.js'
import type { Entrant } from '../store/store.js'
import type { Workflow } from '../workflow/define.js'
import { gatesOf, isGated, limitsOf } from '../workflow/gates.js'
import { validate } from '../workflow/validate.js'
import { UNAVAILABLE_RETRY_MS, type GivingBack } from './giving-back.js'
import type { RunHost } from './run-host.js'

export interface GatekeeperOptions {
  readonly host: RunHost
  readonly givingBack: GivingBack
  /** How often it looks for gates that are due by itself. */
  readonly pollMs: number
  /** These have passed: they may be claimed. */
  readonly onPassed: (keys: readonly ExecutionKey[]) => void
}

/** What was claimed and is at its very beginning. */
export interface Newcomer {
  readonly key: ExecutionKey
  readonly nodeId: string
  readonly claimEpoch: number
  readonly definition: Workflow
  readonly started: Event
  /** Of its last event: a fork has more than its beginning. */
  readonly version: number
}

/** What becomes of a newcomer that does not go into a line. */
export interface Passage {
  /** None of the limits applies to it. */
  readonly begin: () => void
  /** Its keys cannot be told. */
  readonly fail: (error: unknown) => void
}

const ENTRANTS_MAX = 500
const ENTRANTS_QUEUE_MAX = 50_000
const LOOKED_AT_MAX = 100
const ENDED_MAX = 500
/** More than that is left to the looks that are due. */
const PENDING_MAX = 10_000
const AFTER_ERROR_MS = 1_000
/** Somebody else is at a gate: that takes a few statements. */
const BUSY_MS = 5

export class Gatekeeper {
  private readonly options: GatekeeperOptions
  private readonly lane: Lane<Entrant, true>
  private readonly loop: Loop
  private readonly gates = new Set<string>()
  private ended: ExecutionKey[] = []
  private lookMs = -Infinity
  /** Newcomers in its hands. */
  entering = 0

  constructor(options: GatekeeperOptions) {
    this.options = options
    const { clock, log, store } = options.host
    this.lane = new Lane({
      name: 'queue',
      batchMax: ENTRANTS_MAX,
      queueMax: ENTRANTS_QUEUE_MAX,
      write: async (batch) => {
        await store.enqueue(batch)
        return batch.map((): true => true)
      },
    })
    this.loop = new Loop({ name: 'gates', clock, log, turn: () => this.turn(), afterErrorMs: AFTER_ERROR_MS })
  }

  /** The limits of this node's workflows hold from now on. */
  async prepare(): Promise<void> {
    const { registry, store } = this.options.host
    await store.updateLimits(registry.all.flatMap(({ name, options }) => limitsOf(name, options)))
  }

  start(): void {
    this.loop.start()
  }

  async stop(): Promise<void> {
    await this.loop.stop()
    await this.lane.idle()
  }

  /** Whether it may not begin before it has passed. */
  holds(definition: Workflow, history: readonly Event[]): boolean {
    const [started] = history
    if (!isGated(definition.options) || started === undefined) return false
    const { admitted, forkedFrom } = startedDetail(started)
    // What is behind its beginning has passed, or began before there were limits; but a fork came there without.
    if (history.length > 1 && forkedFrom === undefined) return false
    return admitted !== true && !history.some(({ type }) => type === 'admitted')
  }

  /** Into the lines. What cannot be written now is given back and comes again. */
  receive(newcomer: Newcomer, passage: Passage): void {
    this.entering++
    const { host, givingBack } = this.options
    const giveBack = (inMs: number): void => void givingBack.handBack(newcomer, inMs)
    void this.enter(newcomer)
      .then((isQueued) => {
        if (isQueued) return
        // Its keys took a while to tell: this node may be on its way out by now.
        if (host.isDraining) giveBack(0)
        else passage.begin()
      })
      .catch((error: unknown) => {
        if (errorCode(error)?.startsWith('INVALID_') === true) passage.fail(error)
        else giveBack(UNAVAILABLE_RETRY_MS)
      })
      .finally(() => {
        this.entering--
      })
  }

  /** It closed here: whoever waits for its places may have them now. */
  noteEnded(key: ExecutionKey, definition: Workflow): void {
    if (!isGated(definition.options)) return
    if (this.ended.length < PENDING_MAX) this.ended.push(key)
    this.loop.poke()
  }

  /** A gate is due then, whoever it belongs to. */
  noteDue(inMs: number): void {
    this.lookSoon(inMs)
    this.loop.poke()
  }

  private async enter({ definition, started, key, nodeId, claimEpoch }: Newcomer): Promise<boolean> {
    const detail = startedDetail(started)
    const gates = await this.gatesFor(definition, started, detail)
    if (gates.length === 0) return false
    const priority = detail.priority ?? definition.options.priority ?? PRIORITY_DEFAULT
    await this.lane.submit({ key, nodeId, claimEpoch, gates, priority })
    // All: it may have been on its way already, and come back with a message.
    for (const { gateId } of gates) this.note(gateId)
    this.loop.poke()
    return true
  }

  private async gatesFor(
    definition: Workflow,
    started: Event,
    detail: Partial<StartedDetail>,
  ): Promise<Gate[]> {
    const { name, options } = definition
    let input = decode(started.payload)
    if (detail.unchecked === true) {
      // Of what does not fit, the run itself is told, and fails.
      const checked = await validate(options.input, input, 'input', 'INVALID_INPUT').then(
        (value) => ({ value }),
        () => undefined,
      )
      if (checked === undefined) return []
      input = checked.value
    }
    const charactersMax = this.options.host.limits.idCharactersMax
    return gatesOf(name, options, { input, key: detail.key, charactersMax })
  }

  private note(gateId: string): void {
    if (this.gates.size < PENDING_MAX) this.gates.add(gateId)
  }

  private async turn(): Promise<number> {
    const { store, clock } = this.options.host
    const gates = [...this.gates].slice(0, LOOKED_AT_MAX)
    const ended = this.ended.splice(0, ENDED_MAX)
    for (const gateId of gates) this.gates.delete(gateId)
    const isDue = this.lookMs <= clock.monotonicMs()
    if (isDue) this.lookMs = clock.monotonicMs() + this.options.pollMs
    if (gates.length === 0 && ended.length === 0 && !isDue) return this.untilLookMs()
    const { passed, again, isMore, nextInMs } = await store.admit({ gates, ended, isDue })
    if (passed.length > 0) this.options.onPassed(passed)
    for (const gateId of again) this.note(gateId)
    if (nextInMs !== null) this.lookSoon(nextInMs)
    if (isMore) this.lookMs = -Infinity
    if (isMore || this.gates.size > again.length || this.ended.length > 0) return 0
    return Math.min(again.length > 0 ? BUSY_MS : Infinity, this.untilLookMs())
  }

  private lookSoon(inMs: number): void {
    this.lookMs = Math.min(this.lookMs, this.options.host.clock.monotonicMs() + inMs)
  }

  private untilLookMs(): number {
    return Math.max(0, this.lookMs - this.options.host.clock.monotonicMs())
  }
}

function startedDetail(started: Event | undefined): Partial<StartedDetail> {
  return Object(JSON.parse(started?.detail ?? '{}'))
}

/** Claims of an execution before it had passed its gates: they looked at it, and none of its code ran. */
export function claimsBefore(history: readonly Event[]): number {
  const admitted = history.find(({ type }) => type === 'admitted')
  if (admitted === undefined) return 0
  const detail: Partial<AdmittedDetail> = Object(JSON.parse(admitted.detail ?? '{}'))
  return detail.claimEpoch ?? 0
}
