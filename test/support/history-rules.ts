// What a history must look like, whatever happened to the nodes that wrote it: pure rules over the events of one
// execution, written down a second time on purpose, from the specification and not from the engine's code.

import type { Event, EventType } from '../../src/core/event.js'

/** What a history says about the execution's row. */
export interface Derived {
  readonly status: 'open' | 'paused' | 'completed' | 'failed' | 'canceled' | 'terminated'
  readonly run: number
  readonly runVersion: number
  readonly version: number
  readonly workflow: string | undefined
  readonly workflowVersion: string | undefined
  readonly parentId: string | null
  readonly attributes: Readonly<Record<string, unknown>> | null
  /** Commands of the current run without an outcome, by seq. */
  readonly pending: ReadonlyMap<number, Command>
  /** When the current run was to begin, if nothing has happened in it yet. */
  readonly beginsAt: Date | undefined
}

export interface Command {
  readonly family: Family
  readonly name: string
  /** The last recorded intent. */
  intent: Event | undefined
  outcome: Event | undefined
  attempt: number
  /** Waited when the execution was canceled: nothing comes of it any more, though it may still be recorded. */
  isAbandoned: boolean
}

type Family = 'step' | 'sleep' | 'signal' | 'child' | 'update' | 'attributes'

const FAMILIES: Partial<Record<EventType, Family>> = {
  step_retrying: 'step',
  step_completed: 'step',
  step_failed: 'step',
  sleep_started: 'sleep',
  sleep_ended: 'sleep',
  signal_awaited: 'signal',
  signal_rejected: 'signal',
  signal_received: 'signal',
  signal_timed_out: 'signal',
  child_started: 'child',
  child_completed: 'child',
  child_failed: 'child',
  update_completed: 'update',
  attributes_set: 'attributes',
}

const OUTCOMES: ReadonlySet<EventType> = new Set<EventType>([
  'step_completed',
  'step_failed',
  'sleep_ended',
  'signal_received',
  'signal_timed_out',
  'child_completed',
  'child_failed',
  'update_completed',
  'attributes_set',
])

/** Outcomes that are impossible without the intent before them. */
const NEEDS_INTENT: Partial<Record<EventType, EventType>> = {
  sleep_ended: 'sleep_started',
  signal_timed_out: 'signal_awaited',
  child_completed: 'child_started',
}

const CLOSING: ReadonlySet<EventType> = new Set<EventType>(['completed', 'failed', 'canceled', 'terminated'])

/** Events that take a message out of the inbox. */
export const RECORDS_MESSAGE: ReadonlySet<EventType> = new Set<EventType>([
  'signal_received',
  'signal_rejected',
  'update_accepted',
  'cancel_requested',
])

export function judgeHistory(events: readonly Event[]): {
  readonly findings: readonly string[]
  readonly derived: Derived
} {
  const judge = new Judge()
  for (const event of events) judge.read(event)
  return judge.end()
}

const NEW_COMMAND = { intent: undefined, outcome: undefined, attempt: 0, isAbandoned: false }

class Judge {
  private readonly findings: string[] = []
  private readonly messages = new Set<string>()
  private state: 'nothing' | 'open' | 'paused' | 'closed' | 'continued' = 'nothing'
  private version = 0
  private run = 0
  private started: Event | undefined
  private last: Event | undefined
  private parentId: string | null = null
  private attributes: Record<string, unknown> | null = null
  private commands = new Map<number, Command>()
  private patches = new Set<string>()
  private accepted = new Set<string>()

  read(event: Event): void {
    if (event.version !== this.version + 1)
      this.find(event, `follows version ${this.version}: the history has a gap`)
    this.version = event.version
    this.order(event)
    this.message(event)
    if (event.type === 'patched') this.patch(event)
    if (event.seq !== undefined) this.command(event, event.seq)
    this.last = event
  }

  end(): { findings: readonly string[]; derived: Derived } {
    if (this.state === 'continued') this.findings.push('continued, but the next run never started')
    if (this.state === 'nothing') this.findings.push('has no history')
    const detail = detailOf(this.started)
    const isPending = (command: Command): boolean => command.outcome === undefined && !command.isAbandoned
    const pending = new Map([...this.commands].filter(([, command]) => isPending(command)))
    const isUntouched = this.last !== undefined && this.last === this.started
    return {
      findings: this.findings,
      derived: {
        status: this.status(),
        run: this.run,
        runVersion: this.started?.version ?? 0,
        version: this.version,
        workflow: textOf(detail['workflow']),
        workflowVersion: textOf(detail['workflowVersion']),
        parentId: this.parentId,
        attributes: this.attributes,
        pending,
        beginsAt: isUntouched ? this.started?.dueAt : undefined,
      },
    }
  }

  private status(): Derived['status'] {
    const type = this.last?.type
    if (type === 'completed' || type === 'failed' || type === 'canceled' || type === 'terminated') return type
    return this.state === 'paused' ? 'paused' : 'open'
  }

  /** One `started` per run, one closing event, nothing after it but the next run. */
  private order(event: Event): void {
    const { type } = event
    if (type === 'started') return this.begin(event)
    if (this.state === 'nothing') this.find(event, 'comes before any started')
    if (this.state === 'closed') this.find(event, 'comes after the execution was closed')
    if (this.state === 'continued') this.find(event, 'comes between continued and started')
    if (this.state === 'paused' && type !== 'resumed' && type !== 'terminated')
      this.find(event, 'comes while the execution is paused')
    if (type === 'admitted' && this.last !== this.started)
      this.find(event, 'comes when its run has begun already')
    if (type === 'paused') this.state = 'paused'
    else if (type === 'resumed') this.state = 'open'
    else if (type === 'continued') this.state = 'continued'
    else if (CLOSING.has(type)) this.state = 'closed'
    if (type === 'cancel_requested') for (const command of this.commands.values()) command.isAbandoned = true
    const begins = this.started?.dueAt
    const isFirst = this.started !== undefined && this.started === this.last
    if (isFirst && begins !== undefined && type !== 'terminated' && event.at < begins)
      this.find(event, `comes before the start that was due at ${begins.toISOString()}`)
  }

  private begin(event: Event): void {
    if (this.state === 'open' || this.state === 'paused') this.find(event, 'comes in the middle of a run')
    const detail = detailOf(event)
    this.run++
    if (detail['run'] !== this.run) this.find(event, `is of run ${String(detail['run'])}, not ${this.run}`)
    if (this.state !== 'continued') {
      this.parentId = textOf(detail['parentId']) ?? null
      this.attributes = recordOf(detail['attributes'])
    }
    this.state = 'open'
    this.started = event
    this.commands = new Map()
    this.patches = new Set()
    this.accepted = new Set()
  }

  /** Each message is recorded once, by whichever run takes it. */
  private message(event: Event): void {
    const { messageId = '' } = event
    if (event.type === 'update_accepted') this.accepted.add(messageId)
    if (event.type === 'update_completed' && !this.accepted.has(messageId))
      this.find(event, `completes update "${messageId}", which was not accepted in this run`)
    if (!RECORDS_MESSAGE.has(event.type)) return
    if (this.messages.has(messageId)) this.find(event, `records message "${messageId}" once more`)
    this.messages.add(messageId)
  }

  private patch(event: Event): void {
    const name = event.name ?? ''
    if (this.patches.has(name)) this.find(event, `takes patch "${name}" once more`)
    this.patches.add(name)
  }

  /** Per command: one family and name, intents before the outcome, one outcome, no timer early. */
  private command(event: Event, seq: number): void {
    const family = FAMILIES[event.type]
    if (family === undefined) return this.find(event, `has a seq (${seq}), which its type never has`)
    const name = event.name ?? ''
    const known = this.commands.get(seq)
    const command = known ?? { ...NEW_COMMAND, family, name }
    this.commands.set(seq, command)
    if (command.family !== family || command.name !== name)
      this.find(
        event,
        `calls command ${seq} ${family} "${name}", which was ${command.family} "${command.name}"`,
      )
    if (command.outcome !== undefined)
      this.find(event, `comes after the outcome of command ${seq} at version ${command.outcome.version}`)
    const needed = NEEDS_INTENT[event.type]
    if (needed !== undefined && command.intent?.type !== needed)
      this.find(event, `has no ${needed} before it`)
    const { intent } = command
    const waited = event.type === 'signal_received' || event.type === 'signal_rejected' || family === 'child'
    if (!waited && intent?.dueAt !== undefined && event.at < intent.dueAt)
      this.find(event, `comes before it was due at ${intent.dueAt.toISOString()}`)
    if (family === 'step') this.attempt(event, command)
    if (family === 'attributes') this.attributes = { ...this.attributes, ...recordOf(detailOf(event)) }
    if (OUTCOMES.has(event.type)) command.outcome = event
    else if (event.type !== 'signal_rejected') command.intent = event
  }

  private attempt(event: Event, command: Command): void {
    // A step whose end is recorded without beginning it (again) has none.
    const { attempt } = event
    if (attempt === undefined) return
    if (attempt <= command.attempt)
      this.find(event, `is attempt ${attempt} after attempt ${command.attempt} was recorded`)
    command.attempt = attempt
  }

  private find(event: Event, what: string): void {
    this.findings.push(`event ${event.version} (${event.type}) ${what}`)
  }
}

function detailOf(event: Event | undefined): Readonly<Record<string, unknown>> {
  const detail: Record<string, unknown> = Object(JSON.parse(event?.detail ?? '{}'))
  return detail
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function recordOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? { ...value } : null
}
