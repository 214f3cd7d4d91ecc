// One claimed execution at work on this node: its instance, what is in flight, and what is to be appended next.
// Promises: at most one append is under way at a time; no outcome reaches the code before it is durable (invariant 2);
// a run that lost its claim appends nothing more. It never reads or writes the database but through its host.

import { encode, encodeAnswer } from '../core/codec.js'
import { SmallMap } from '../core/small-map.js'
import type { Event, NewEvent } from '../core/event.js'
import { toFailure } from '../core/failure.js'
import type { ExecutionKey, ParentClosePolicy, ParentLink } from '../core/execution.js'
import type { Answer, Message, NewMessage } from '../core/message.js'
import type { RunTrace } from '../metrics/tracing.js'
import type { CommitOutcome } from '../store/store.js'
import type { Command, Note } from '../workflow/command.js'
import { onceDrained } from '../workflow/drain.js'
import { Instance } from '../workflow/instance.js'
import { INTENTS } from '../workflow/recorded.js'
import type { Workflow } from '../workflow/define.js'
import { charactersOf } from './append-size.js'
import { beginChild, childRecorded, openChildren } from './children.js'
import { beginClose, failTooLong } from './closing.js'
import { isWait, maySeeAhead } from './look-ahead.js'
import { Mailbox } from './mailbox.js'
import { asCommit, NextAppend, type TakenAppend, type Transition } from './next-append.js'
import { awaitSignal, matchMessages, matchRequests, matchTermination, type SignalWait } from './messages.js'
import type { RunHost } from './run-host.js'
import { beginStep, retryDue, stopUnwanted } from './steps.js'
import type { Attempt } from './step-attempt.js'
import { Slots } from './slots.js'
import { waitingFor } from './waiting-for.js'
import { traceOf, traceparentOf } from './traced.js'
import { assertWoken } from './woken.js'
import { beginTransaction } from './transactions.js'

export interface RunInit {
  readonly key: ExecutionKey
  readonly definition: Workflow
  readonly run: number
  readonly runVersion: number
  readonly claimEpoch: number
  readonly parent: ParentLink | null
  /** Nodes that died while they ran it, without progress in between; default 0. */
  readonly crashes?: number
}

/** What a claim or a doorbell brings: unread messages, up to where they were read, and the database's time. */
export interface Waking {
  readonly messages: readonly Message[]
  readonly inbox: number
  readonly at: Date
}

/** Events that the code may see before they are written. */
interface Ahead {
  readonly events: NewEvent[]
  readonly count: number
  readonly at: Date
}

/** Events that have been written; the first `seen` of them the code knows. */
interface Delivery {
  readonly events: readonly NewEvent[]
  readonly seen: number
  readonly at: Date
  readonly goOn: () => void
}

export type TimerKind = 'sleep' | 'signal' | 'retry'

export interface Timer {
  readonly kind: TimerKind
  readonly dueAt: number
  readonly command: Command
}

/** One crash is bad luck; what was there at two is looked at with care. */
export const SUSPECT_CRASHES = 2

const STALL_CHECKS = 5
const STALL_CHECK_MS = 200
/** What a run costs before its payloads; measured roughly, for the cache's bound by bytes. */
const BASE_BYTES = 4_000

export class Run {
  readonly key: ExecutionKey
  readonly definition: Workflow
  readonly parent: ParentLink | null
  run: number
  runVersion: number
  /** When this run was started, by the database's clock. */
  startedMs = 0
  /** Given with the start. */
  traceparent: string | undefined
  trace: RunTrace | undefined
  claimEpoch: number
  readonly crashes: number
  private claimedVersion = 0
  version = 0
  instance: Instance
  host: RunHost
  state: 'live' | 'suspended' | 'closed' | 'dropped' = 'live'

  // What is in flight, by the seq of its command.
  readonly attempts = new SmallMap<number, Attempt | undefined>()
  readonly timers = new SmallMap<number, Timer>()
  readonly signalWaits = new SmallMap<number, SignalWait>()
  readonly children = new SmallMap<number, { readonly childId: string; readonly policy: ParentClosePolicy }>()
  /** Steps whose end has been recorded without beginning them (again), because the run is being undone. */
  readonly forgone = new SmallMap<number, true>()
  /** Asynchronous work of the engine itself for this run (validation, a child's start). */
  busy = 0
  readonly mailbox = new Mailbox()
  readonly stepSlots: Slots
  /** Requests to pause; consumed by the append that records the pause, so that a crash in between loses none. */
  readonly pauses: string[] = []
  /** A request to cancel is being recorded; the code has not heard of it yet. */
  isCanceling = false
  isClosing = false
  /** Steps were kept from beginning: they are lost to this copy of the run, and begun by the next one. */
  isHeldBack = false
  bytes = BASE_BYTES

  private readonly next = new NextAppend()
  private closePayload: string | undefined

  private isCommitting = false
  private keepers = 0
  /** How many of the events of the next append, or of the one under way, the code has seen already. */
  private ahead = 0
  /** Outcomes are being given to the code: what it asks for meanwhile is begun when it has come to rest. */
  private isDelivering = false
  private isPumping = false
  /** A time of the database, and ours when it was seen. */
  private clockDatabaseMs = 0
  private clockMonotonicMs = 0
  /** The latest time of the database that a doorbell brought: timers up to it have rung and will not ring again. */
  private seenAtMs = 0
  private mustLookAtTimers = false
  private readonly slotWaiters: ((granted: boolean) => void)[] = []
  private stallChecks = 0
  private warnedLong = false
  private isBlocked = false

  constructor(host: RunHost, init: RunInit) {
    this.host = host
    this.key = init.key
    this.definition = init.definition
    this.parent = init.parent
    this.run = init.run
    this.runVersion = init.runVersion
    this.claimEpoch = init.claimEpoch
    this.crashes = init.crashes ?? 0
    this.stepSlots = new Slots(host.limits.stepsPerExecutionMax)
    this.instance = this.newInstance()
  }

  get executionId(): string {
    return this.key.executionId
  }

  /** Whether its state may be told: it is at rest, and all that it has seen is durable. */
  get isAskable(): boolean {
    return !this.isDelivering && this.ahead === 0
  }

  /** Whether it may be what killed its last nodes: it has not grown since. */
  get isSuspect(): boolean {
    return this.crashes >= SUSPECT_CRASHES && this.version === this.claimedVersion
  }

  get isPausing(): boolean {
    return this.pauses.length > 0
  }

  /** Replays a history (`started` first) and goes on from there. */
  async begin(history: readonly Event[], waking: Waking, isSeen = false): Promise<void> {
    for (const event of history) this.bytes += event.payload?.length ?? 0
    for (const [seq, child] of openChildren(history)) this.children.set(seq, child)
    this.startedMs = history[0]?.at.getTime() ?? 0
    this.traceparent = traceparentOf(history[0])
    this.trace = traceOf(this, history)
    this.isDelivering = true
    await this.instance.replay(history, isSeen)
    this.version = history.at(-1)?.version ?? this.version
    this.claimedVersion = this.version
    this.isDelivering = false
    this.wake(waking)
  }

  /** Goes on after a claim, or when the doorbell rang while it was held. */
  wake({ messages, inbox, at }: Waking): void {
    if (this.state === 'suspended') this.state = 'live'
    if (this.state !== 'live') return
    this.mailbox.add(messages, inbox)
    this.seenAtMs = Math.max(this.seenAtMs, at.getTime())
    this.setClock(at)
    this.mustLookAtTimers = true
    this.pump()
  }

  /** Keeps the claim from being given up until `unkeep`; false when that is under way already. */
  keep(): boolean {
    if (this.state !== 'live' || (this.isCommitting && this.next.transition !== undefined)) return false
    this.keepers++
    return true
  }

  unkeep(): void {
    this.keepers--
    this.pump()
  }

  /** Looks at everything that may have changed and does what follows. Cheap, synchronous, callable at any time. */
  pump(): void {
    // A step that ends at once comes back here before the commands beside it have begun.
    if (this.state !== 'live' || this.isDelivering || this.isPumping) return
    this.isPumping = true
    try {
      this.proceed()
    } catch (error) {
      this.drop('broken', error)
    } finally {
      this.isPumping = false
    }
  }

  private proceed(): void {
    if (this.instance.disagreement !== undefined && !this.isTerminating())
      return this.block(this.instance.disagreement.message)
    // On its way out of memory, or into its next run: what comes in stays where it is until then.
    if (this.next.transition !== undefined) {
      if (!this.isCommitting) this.flush()
      return
    }
    for (const note of this.instance.takeNotes()) this.takeNote(note)
    // What comes in while the end is being prepared is too late, or for the next run.
    if (!this.isClosing) {
      if (!this.mailbox.isEmpty) matchRequests(this)
      this.beginFresh()
      if (!this.mailbox.isEmpty) matchMessages(this)
      if (this.mustLookAtTimers) this.timersDue()
    }
    if (!this.isCommitting) this.settleSafely()
  }

  /** Whatever its code and its history say: a parent that closes may end it. */
  private isTerminating(): boolean {
    if (this.next.transition === undefined && !this.isClosing && !this.isCommitting) matchTermination(this)
    return this.next.transition?.kind === 'close'
  }

  /** With the next append; nothing comes behind the event that gives the claim up or ends the run. */
  append(event: NewEvent): void {
    if (this.next.transition === undefined) this.next.events.push(event)
  }

  consume(messageId: string, answer?: Answer): void {
    this.next.consumed.push(answer === undefined ? { messageId } : { messageId, answer })
  }

  /** Ends the run with this event, in one append with all that follows from it. */
  finish(
    events: readonly NewEvent[],
    transition: Transition,
    messages: readonly NewMessage[],
    payload?: string,
  ): void {
    this.next.events.push(...events)
    this.next.messages.push(...messages)
    this.next.transition = transition
    this.closePayload = payload
  }

  /** Passes a request to cancel on to a child, with the next append. */
  cancelChild(childId: string): void {
    this.next.messages.push({
      key: this.host.store.keyOf(childId),
      messageId: `parent-cancel:${this.executionId}:${this.run}`,
      kind: 'cancel',
      name: this.executionId,
      payload: JSON.stringify(`its parent "${this.executionId}" was canceled`),
    })
  }

  /** Encodes a user value within the limits. @throws CerebelumError */
  encode(value: unknown, what: string): string | undefined {
    return encode(value, `${what} of execution "${this.executionId}"`, this.host.limits.payloadBytesMax)
  }

  /** The same for what has to be a text. */
  encodeAnswer(value: unknown): string {
    return encodeAnswer(value, `answer of execution "${this.executionId}"`, this.host.limits.payloadBytesMax)
  }

  encodeFailure(error: unknown, where: { step?: string; attempt?: number } = {}): string {
    const failure = toFailure(error, where)
    return encode(failure, 'failure', Infinity) ?? 'null'
  }

  /** The database's time now, as far as this node can tell. */
  databaseMs(): number {
    return this.clockDatabaseMs + this.host.clock.monotonicMs() - this.clockMonotonicMs
  }

  private setClock(at: Date): void {
    this.clockDatabaseMs = at.getTime()
    this.clockMonotonicMs = this.host.clock.monotonicMs()
  }

  /** Whether a step of it has been running since then, or for longer. */
  hasStepSince(monotonicMs: number): boolean {
    for (const attempt of this.attempts.values()) {
      if (attempt !== undefined && attempt.begunMs <= monotonicMs) return true
    }
    return false
  }

  eventsOfRun(): number {
    return this.version - this.runVersion + 1 + this.next.events.length
  }

  /**
   * Takes the right to append, for the attempt of a transaction, which appends by itself; `appended` gives it back.
   * False: the attempt has been abandoned, and nobody would ever give it the right.
   */
  acquireAppend(seq: number): Promise<boolean> {
    if (this.state !== 'live' || !this.attempts.has(seq)) return Promise.resolve(false)
    if (!this.isCommitting) {
      this.isCommitting = true
      return Promise.resolve(true)
    }
    return new Promise((resolve) => this.slotWaiters.push(resolve))
  }

  /** Gives the right back without having appended. */
  yieldAppend(): void {
    this.passOn()
    this.pump()
  }

  /** After an append that took the right: what was written is delivered, the right passed on. */
  async appended(event: NewEvent | undefined, outcome: CommitOutcome | undefined): Promise<void> {
    if (event !== undefined && outcome?.kind === 'committed')
      await new Promise<void>((resolve) => this.deliver([event], outcome.at, resolve))
    this.passOn()
    if (outcome?.kind === 'lost') this.drop('lost')
    else this.pump()
  }

  /** Gives up everything in memory; in-flight attempts are aborted and their results dropped. */
  drop(reason: 'lost' | 'unavailable' | 'broken', error?: unknown): void {
    if (this.state === 'dropped' || this.state === 'closed') return
    this.state = 'dropped'
    this.abandonAll(reason)
    this.host.dropped(this, reason, error)
  }

  abandonAll(reason: unknown): void {
    this.stepSlots.clear()
    const attempts = [...this.attempts.values()]
    this.attempts.clear()
    for (const attempt of attempts) attempt?.abandon(reason)
    // A transaction that waits for its turn must not hold its connection for ever; it sees that the run is gone.
    for (const wake of this.slotWaiters.splice(0)) wake(false)
  }

  // ---- inside

  private newInstance(): Instance {
    return new Instance({
      definition: this.definition,
      executionId: this.key.executionId,
      run: this.run,
      log: this.host.log,
      limits: this.host.limits,
    })
  }

  /** Begins what the code asked for, unless nothing new may begin here: then it is begun by the next claim. */
  private beginFresh(): void {
    if (this.host.isDraining || this.isPausing || this.isCanceling || this.isClosing) return
    // What happened last is not durable yet: only what merely adds to the same append may begin.
    for (const command of this.instance.takeCommands(this.ahead > 0 ? isWait : undefined)) {
      switch (command.kind) {
        case 'step':
          beginStep(this, command)
          break
        case 'transaction':
          beginTransaction(this, command)
          break
        case 'sleep':
          this.beginSleep(command)
          break
        case 'signal':
          awaitSignal(this, command)
          break
        case 'child':
          beginChild(this, command)
          break
      }
    }
  }

  private beginSleep(command: Extract<Command, { kind: 'sleep' }>): void {
    if (command.intent !== undefined) return this.setTimer('sleep', command, command.intent.dueAt)
    const due = command.until === undefined ? { delayMs: command.delayMs ?? 0 } : { dueAt: command.until }
    this.append({ type: 'sleep_started', seq: command.seq, ...due })
  }

  setTimer(kind: TimerKind, command: Command, dueAt: Date | undefined): void {
    const dueAtMs = dueAt?.getTime() ?? 0
    this.timers.set(command.seq, { kind, command, dueAt: dueAtMs })
    // It may have rung before its own append was answered.
    if (dueAtMs <= this.seenAtMs) this.mustLookAtTimers = true
  }

  /** Something kept a timer from ending that may be due. */
  lookAtTimers(): void {
    this.mustLookAtTimers = true
  }

  private timersDue(): void {
    this.mustLookAtTimers = false
    const due = [...this.timers].filter(
      ([seq, timer]) => timer.dueAt <= this.seenAtMs && this.signalWaits.get(seq)?.isChecking !== true,
    )
    // Several at once, after a pause or a crash: in the order of their instants, as if somebody had looked in time.
    due.sort(([, a], [, b]) => a.dueAt - b.dueAt)
    for (const [seq, timer] of due) {
      this.timers.delete(seq)
      this.host.meters.timerLag[timer.kind].observeMs(this.databaseMs() - timer.dueAt)
      if (timer.kind === 'sleep') this.append({ type: 'sleep_ended', seq })
      else if (timer.kind === 'retry') retryDue(this, timer.command)
      else {
        this.signalWaits.delete(seq)
        this.append({ type: 'signal_timed_out', seq, name: timer.command.name })
      }
    }
  }

  private takeNote(note: Note): void {
    if (note.attributes !== undefined) this.next.attributes = { ...this.next.attributes, ...note.attributes }
    const { answer } = note
    if (answer === undefined) return this.append(note.event)
    let payload: string
    let ok = answer.ok
    try {
      payload = ok ? this.encodeAnswer(answer.value) : this.encodeFailure(answer.value)
    } catch (error) {
      ok = false
      payload = this.encodeFailure(error)
    }
    this.append({ ...note.event, payload, detail: JSON.stringify({ failed: !ok }) })
    this.consume(answer.messageId, { ok, payload })
  }

  /** A broken invariant costs this run its memory, never the process or the execution. */
  private settleSafely(): void {
    try {
      this.settle()
    } catch (error) {
      this.drop('unavailable', error)
    }
  }

  /** Nothing is being appended: append what there is, or end, or suspend. */
  private settle(): void {
    // Beginning a step may have dropped the run (its node is no longer trusted), or ended it at once and looked ahead.
    if (this.state !== 'live' || this.isDelivering || this.isCommitting) return
    const isHolding = this.ahead > 0 && this.instance.hasFresh
    const idle = this.attempts.size === 0 && this.busy === 0 && !isHolding
    if (idle && this.mayLookAhead()) return this.lookAhead()
    if (idle && !this.isClosing && this.instance.outcome !== undefined && !this.isHeldUp()) {
      const { kind } = this.instance.outcome
      // What failed waits for nothing; else a step that nobody awaits is tried until it ends.
      const mustWait = (kind === 'completed' || kind === 'continued') && this.isRetrying()
      if (!mustWait) beginClose(this, this.instance.outcome)
    }
    const exceeded = this.exceededLimit()
    if (this.next.transition === undefined && !this.isClosing && exceeded !== undefined)
      failTooLong(this, exceeded)
    if (idle && this.next.transition === undefined && !this.isClosing) this.maySuspend()
    if (this.next.transition !== undefined || this.next.events.length > 0 || this.next.consumed.length > 0)
      this.flush()
  }

  /** Whether a step waits for its next attempt, or is about to be recorded so. */
  private isRetrying(): boolean {
    if (this.next.events.some((event) => event.type === 'step_retrying')) return true
    return [...this.timers.values()].some((timer) => timer.kind === 'retry')
  }

  /**
   * Whether the code may see what is about to be appended, before it is. Its code is pure but for what it asks of
   * `ctx`, and no step, child or answer of it begins before the append has committed (invariant 2). What it waits for
   * next, or how it ends, goes into the same append: a round trip and a write less for each step before a wait or the
   * end. Should the append be lost, so is the run in memory.
   */
  private mayLookAhead(): boolean {
    if (this.ahead > 0 || !maySeeAhead(this.next.events)) return false
    if (this.next.transition !== undefined || this.isClosing || this.isPausing || this.isCanceling)
      return false
    return !this.host.isDraining && this.next.messages.length === 0 && this.slotWaiters.length === 0
  }

  private lookAhead(): void {
    const at = this.host.databaseTime()
    if (at === undefined) return this.flush()
    this.isDelivering = true
    const { events } = this.next
    this.ahead = events.length
    this.seeAhead({ events, count: events.length, at }, 0)
  }

  private seeAhead(ahead: Ahead, from: number): void {
    const { events, count, at } = ahead
    for (let index = from; index < count; index++) {
      const written = events[index]
      if (written === undefined) break
      const event = { ...written, at }
      events[index] = event
      const wasUnwinding = this.instance.isUnwinding
      if (this.instance.apply({ ...event, version: this.version + 1 + index })) {
        return this.onceAtRest(() => {
          if (this.instance.isUnwinding !== wasUnwinding) stopUnwanted(this)
          this.seeAhead(ahead, index + 1)
        })
      }
    }
    // None of them woke the code, and whoever pumps goes on before anybody can look again.
    if (this.isPumping) return this.onceAtRest(() => this.seeAhead(ahead, count))
    this.isDelivering = false
    this.pump()
  }

  /** When the code has come to rest. What nobody foresaw costs this execution its rest, never the process. */
  private onceAtRest(go: () => void, orElse?: () => void): void {
    onceDrained(() => this.safely(go, orElse))
  }

  /** `orElse`: somebody waits for the end of it, good or bad. */
  private safely(work: () => void, orElse?: () => void): void {
    try {
      work()
    } catch (error) {
      this.drop('broken', error)
      orElse?.()
    }
  }

  /** Something that the code asked for, maybe without awaiting it, may not begin here: it is not the end yet. */
  private isHeldUp(): boolean {
    return this.isHeldBack || ((this.host.isDraining || this.isPausing) && this.instance.hasFresh)
  }

  private exceededLimit(): 'historyEventsMax' | 'historyBytesMax' | undefined {
    const { historyEventsMax, historyBytesMax } = this.host.limits
    if (this.eventsOfRun() > historyEventsMax) return 'historyEventsMax'
    // Counting what is queued costs a pass, so only near the bound.
    const payloads = this.bytes - BASE_BYTES
    if (payloads > historyBytesMax / 2 && payloads + charactersOf(this.next.events) > historyBytesMax)
      return 'historyBytesMax'
    return undefined
  }

  /** Only intents are queued and nothing is in flight: the code cannot go on, so the claim is given up with them. */
  private maySuspend(): void {
    if (this.slotWaiters.length > 0 || this.keepers > 0) return
    const unseen = this.ahead === 0 ? this.next.events : this.next.events.slice(this.ahead)
    if (unseen.some((event) => !INTENTS.has(event.type) || event.type === 'child_started')) return
    if (this.instance.isStalled && this.next.events.length === 0 && !this.host.isDraining)
      return this.checkStall()
    this.stallChecks = 0
    if (this.isPausing) {
      for (const messageId of this.pauses.splice(0)) this.consume(messageId)
      this.next.events.push({ type: 'paused' })
      this.next.transition = { kind: 'release', status: 'paused' }
    } else if (this.host.isDraining) {
      this.next.transition = { kind: 'release', status: 'running', readyInMs: 0 }
    } else {
      assertWoken(this, this.next.events)
      this.next.transition = {
        kind: 'release',
        status: 'waiting',
        note: waitingFor(this.instance.awaited()),
      }
    }
  }

  /** The code waits for a promise that is not ours: it gets a moment, then the execution is set aside. */
  private checkStall(): void {
    if (this.stallChecks++ >= STALL_CHECKS) {
      return this.block(
        `Workflow "${this.definition.name}" of execution "${this.executionId}" waits for a promise that did not come from ctx. ` +
          'Put the work into ctx.step: only what ctx gives can be replayed.',
      )
    }
    this.busy++
    this.host.clock.after(STALL_CHECK_MS, () => {
      this.busy--
      this.pump()
    })
  }

  private block(note: string): void {
    if (!this.isBlocked) {
      this.isBlocked = true
      this.isClosing = true
      this.host.log.error({ executionId: this.executionId, workflow: this.definition.name }, note)
      this.abandonAll('blocked')
    }
    if (this.isCommitting) return
    this.next.clear()
    this.next.transition = { kind: 'release', status: 'blocked', readyInMs: BLOCKED_RETRY_MS, note }
    this.flush()
  }

  private flush(): void {
    this.isCommitting = true
    const taken = this.next.take()
    const { key, claimEpoch, version: expectedVersion } = this
    const fence = { key, nodeId: this.host.nodeId, claimEpoch, expectedVersion }
    this.host.commit(asCommit(taken, fence)).then(
      (outcome) => this.safely(() => this.written(taken, outcome)),
      (error: unknown) => this.drop('unavailable', error),
    )
  }

  private written({ events, consumed, transition }: TakenAppend, outcome: CommitOutcome): void {
    if (this.state !== 'live') return
    if (outcome.kind === 'lost')
      return this.drop(outcome.cause === undefined ? 'lost' : 'broken', outcome.cause)
    for (const { messageId, answer } of consumed) {
      if (answer !== undefined) this.host.answered(this.executionId, messageId)
    }
    if (this.trace !== undefined && (transition?.kind === 'close' || transition?.kind === 'continue'))
      for (const event of events) this.trace.note({ at: outcome.at, ...event, version: 0 }, 'live')
    if (transition?.kind === 'close') return this.closed(transition.status, events.length)
    if (transition?.kind === 'continue') return this.watch(this.continued(events, outcome.at))
    this.deliver(events, outcome.at, () => {
      if (this.state !== 'live') return
      if (transition !== undefined) return this.released(outcome.rung)
      this.passOn()
      this.pump()
    })
  }

  private watch(work: Promise<void>): void {
    work.catch((error: unknown) => this.drop('broken', error))
  }

  /** Gives to the code what has been written and it has not seen, one after the other; `goOn`: what follows. */
  private deliver(events: readonly NewEvent[], at: Date, goOn: () => void): void {
    this.isDelivering = true
    this.setClock(at)
    const seen = this.ahead
    this.ahead = 0
    this.deliverFrom({ events, seen, at, goOn }, 0)
  }

  private deliverFrom(delivery: Delivery, from: number): void {
    const { events, seen, at } = delivery
    for (let index = from; index < events.length; index++) {
      const written = events[index]
      if (written === undefined) break
      const event = this.recorded(written, at)
      this.bytes += event.payload?.length ?? 0
      this.trace?.note(event, 'live')
      if (index < seen) continue
      this.noteRecorded(event)
      const wasUnwinding = this.instance.isUnwinding
      if (this.instance.apply(event)) {
        return this.onceAtRest(() => {
          this.afterEvent(event, wasUnwinding)
          this.deliverFrom(delivery, index + 1)
        }, delivery.goOn)
      }
      this.afterEvent(event, wasUnwinding)
    }
    this.isDelivering = false
    this.warnWhenLong()
    delivery.goOn()
  }

  /** What an event that is durable now sets off, before the code hears of it. */
  private noteRecorded(event: Event): void {
    const command = event.seq === undefined ? undefined : this.instance.pending.get(event.seq)?.command
    if (event.dueAt !== undefined) {
      this.host.timerWritten(event.dueAt, this.key)
      if (command?.kind === 'sleep') this.setTimer('sleep', command, event.dueAt)
      else if (command?.kind === 'signal' && this.signalWaits.has(command.seq))
        this.setTimer('signal', command, event.dueAt)
      else if (command?.kind === 'step') this.setTimer('retry', { ...command, intent: event }, event.dueAt)
    }
    if (event.type === 'child_started' && command?.kind === 'child') childRecorded(this, command)
  }

  private afterEvent(event: Event, wasUnwinding: boolean): void {
    const isCanceling = event.type === 'cancel_requested'
    if (isCanceling || this.instance.isUnwinding !== wasUnwinding) stopUnwanted(this)
    if (isCanceling) this.afterCancel()
  }

  private warnWhenLong(): void {
    if (this.warnedLong || this.eventsOfRun() <= this.host.limits.historyEventsWarn) return
    this.warnedLong = true
    const { historyEventsWarn: limit, historyEventsMax: max } = this.host.limits
    this.host.log.warn(
      { executionId: this.executionId, workflow: this.definition.name },
      `the history of this run has over ${limit} events; at ${max} it fails: use ctx.continueAsNew`,
    )
  }

  private recorded(written: NewEvent, at: Date): Event {
    this.version++
    if (written.delayMs === undefined) return { ...written, version: this.version, at: written.at ?? at }
    const { delayMs, ...rest } = written
    const dueAt = new Date(at.getTime() + delayMs)
    return { ...rest, version: this.version, at, dueAt }
  }

  private afterCancel(): void {
    this.isCanceling = false
    for (const seq of this.timers.keys()) if (!this.instance.pending.has(seq)) this.timers.delete(seq)
    for (const seq of this.signalWaits.keys())
      if (!this.instance.pending.has(seq)) this.signalWaits.delete(seq)
  }

  private passOn(): void {
    const next = this.slotWaiters.shift()
    if (next === undefined) this.isCommitting = false
    else next(true)
  }

  private released(rung: boolean): void {
    this.next.transition = undefined
    this.isClosing = false
    this.isCommitting = false
    this.state = this.isBlocked || this.isHeldBack ? 'dropped' : 'suspended'
    this.host.released(this, rung)
  }

  private closed(status: 'completed' | 'failed' | 'canceled' | 'terminated', events: number): void {
    this.version += events
    this.host.meters.of(this.definition.name).ended(status, this.databaseMs() - this.startedMs)
    this.state = 'closed'
    this.abandonAll('closed')
    this.host.closed(this, status, this.closePayload)
  }

  /** Continue as new: the claim is kept, the next run begins from its own `started`. */
  private async continued(events: readonly NewEvent[], at: Date): Promise<void> {
    const recorded = events.map((event) => this.recorded(event, at))
    const started = recorded.at(-1)
    if (started === undefined) return this.drop('broken')
    const meters = this.host.meters.of(this.definition.name)
    meters.ended('continued', at.getTime() - this.startedMs)
    meters.started.continue++
    this.run++
    this.runVersion = started.version
    this.startedMs = at.getTime()
    this.trace = traceOf(this, [started])
    this.ahead = 0
    this.next.transition = undefined
    this.isClosing = false
    this.bytes = BASE_BYTES + (started.payload?.length ?? 0)
    this.timers.clear()
    this.signalWaits.clear()
    this.children.clear()
    this.forgone.clear()
    this.instance = this.newInstance()
    this.isDelivering = true
    await this.instance.replay([started])
    this.isDelivering = false
    this.passOn()
    this.pump()
  }
}

/** A blocked execution is looked at again after this long: new code may have been deployed meanwhile. */
export const BLOCKED_RETRY_MS = 10_000
