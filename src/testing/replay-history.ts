// Holds workflow code against a stored history, without a database and without running a step: what a node would find
// out when it loads the execution is found out before the code is deployed.

import { encode } from '../core/codec.js'
import { CerebelumError, errorCode } from '../core/errors.js'
import type { Event, EventType } from '../core/event.js'
import { silentLogger } from '../core/ports.js'
import type { Workflow } from '../workflow/define.js'
import { Instance } from '../workflow/instance.js'

/** An event as `client.history` gives it; one that has been through JSON, with its instants as texts, will do too. */
export interface RecordedEvent {
  readonly version: number
  readonly type: EventType
  readonly at: Date | string
  readonly seq?: number
  readonly name?: string
  readonly attempt?: number
  readonly dueAt?: Date | string
  readonly messageId?: string
  readonly detail?: unknown
  readonly payload?: unknown
}

export interface ReplayOptions {
  /** Whose history it is; wanted by code that asks for `ctx.executionId`, or draws `ctx.random()` or `ctx.uuid()`. */
  readonly executionId?: string
}

/**
 * Verifies that a workflow's code still agrees with a stored history: of an execution that waits, so that it will go on,
 * or of one that has ended, so that it would end there again. All runs of the history are replayed; no step is run.
 * @throws CerebelumError REPLAY_DISAGREES, naming the event and both sides; INVALID_ARGUMENT when events are missing
 *
 * @example
 * // Save a history once, and hold the code against it in every test run.
 * const { events } = await client.history('order-7')
 * await writeFile('order-7.json', JSON.stringify(events))
 *
 * test('orders that are under way survive this change', async () => {
 *   await replayHistory(fulfil, JSON.parse(await readFile('order-7.json', 'utf8')), { executionId: 'order-7' })
 * })
 */
export async function replayHistory(
  workflow: Workflow,
  events: readonly RecordedEvent[],
  options: ReplayOptions = {},
): Promise<void> {
  const { executionId = 'replayed' } = options
  for (const run of runsOf(events.map(asEvent))) {
    const instance = new Instance({
      definition: workflow,
      executionId,
      run: run.number,
      log: silentLogger,
    })
    await instance.replay(run.events)
    if (instance.disagreement !== undefined) throw instance.disagreement
    checkEnd(instance, run.events.at(-1))
  }
}

interface RecordedRun {
  readonly number: number
  readonly events: readonly Event[]
}

/** The runs of a history, each from its `started` on. */
function runsOf(events: readonly Event[]): RecordedRun[] {
  const runs: { number: number; events: Event[] }[] = []
  let last: Event | undefined
  for (const event of events) {
    if (event.type === 'started') runs.push({ number: numberOf(event), events: [] })
    const run = runs.at(-1)
    if (run === undefined || (last !== undefined && event.version !== last.version + 1))
      throw gap(event, last)
    run.events.push(event)
    last = event
  }
  if (runs.length === 0) throw new CerebelumError('INVALID_ARGUMENT', `The history has no events. ${ADVICE}`)
  return runs
}

const ADVICE =
  'Pass all events of the history: client.history gives them page by page, from the last event of a page as `after`.'

function gap(event: Event, last: Event | undefined): CerebelumError {
  const before = last === undefined ? 'nothing' : `event ${last.version}`
  return new CerebelumError(
    'INVALID_ARGUMENT',
    `The history has event ${event.version} (${event.type}) after ${before}. ${ADVICE}`,
    { version: event.version },
  )
}

function numberOf(started: Event): number {
  const { run }: { run?: unknown } = Object(JSON.parse(started.detail ?? '{}'))
  return typeof run === 'number' ? run : 1
}

/** A run that has ended must end in the code as well; one that a person or a limit has ended may stand anywhere. */
function checkEnd({ outcome, options, pending }: Instance, last: Event | undefined): void {
  const wanted = last === undefined ? undefined : ENDS[last.type]
  if (last === undefined || wanted === undefined || outcome?.kind === wanted) return
  if (last.type === 'failed' && isEngines(last)) return
  const waiting = [...pending.values()].map(({ command }) => `${command.kind} "${command.name}"`)
  const code =
    outcome?.kind ?? (waiting.length === 0 ? 'not ended' : `not ended; it waits for ${waiting.join(', ')}`)
  throw new CerebelumError(
    'REPLAY_DISAGREES',
    `Execution "${options.executionId}" ends differently with this code of workflow "${options.definition.name}" ` +
      `(version ${options.definition.version}): at event ${last.version} the history has ${wanted}, the code has ${code}. ` +
      'Executions that stand before that event would go another way than this one did: see ctx.patched.',
    {
      executionId: options.executionId,
      workflow: options.definition.name,
      version: last.version,
      recorded: wanted,
      code,
    },
  )
}

const ENDS: Partial<Record<EventType, 'completed' | 'failed' | 'continued'>> = {
  completed: 'completed',
  failed: 'failed',
  continued: 'continued',
}

/** Failed by the engine and not by the code, which may have been anywhere: too long, a result that cannot be stored. */
function isEngines({ payload }: Event): boolean {
  return errorCode(JSON.parse(payload ?? 'null')) !== undefined
}

function asEvent(recorded: RecordedEvent): Event {
  const { at, dueAt, detail, payload, ...rest } = recorded
  const encoded = encode(payload, `payload of event ${recorded.version}`, Infinity)
  return {
    ...rest,
    at: instant(at, recorded),
    ...(dueAt === undefined ? {} : { dueAt: instant(dueAt, recorded) }),
    ...(detail === undefined ? {} : { detail: JSON.stringify(detail) }),
    ...(encoded === undefined ? {} : { payload: encoded }),
  }
}

function instant(value: Date | string, { version }: RecordedEvent): Date {
  const parsed = new Date(value)
  if (!Number.isNaN(parsed.getTime())) return parsed
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `Event ${version} of the history has the instant "${String(value)}", which cannot be read. Pass the events as client.history gave them.`,
    { version },
  )
}
