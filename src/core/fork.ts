// A fork: a new execution whose history begins as a copy of another's, up to some event, and goes on by itself. What is
// copied is what the code has seen, with its times and its chance, so that it replays to the same state. Pure.
//
// Not copied: what people and gates did to the other one (pauses, its admission: the fork stands in line itself), and
// children without an outcome, whose ends only the other would hear of: the fork starts its own.

import { CerebelumError } from './errors.js'
import type { EventType, Seed, StartedDetail } from './event.js'
import type { Attributes } from './execution.js'

/** What has to be known of an event to be copied. */
export interface ForkedEvent {
  readonly version: number
  readonly type: EventType
  readonly seq?: number | undefined
  /** JSON; of those that start a run or set attributes. */
  readonly detail?: string | undefined
}

export interface ForkSource {
  readonly executionId: string
  readonly run: number
  /** The last event to copy. */
  readonly version: number
}

export interface ForkPlan {
  readonly workflow: string
  readonly workflowVersion: string
  /** Versions that are left out. */
  readonly dropped: readonly number[]
  /** How many events are copied. */
  readonly count: number
  /** Of the new `started` event. */
  readonly detail: StartedDetail
  readonly attributes: Attributes
}

const CLOSING: ReadonlySet<EventType> = new Set([
  'completed',
  'failed',
  'canceled',
  'terminated',
  'continued',
])
const NOT_ITS_OWN: ReadonlySet<EventType> = new Set(['admitted', 'paused', 'resumed'])

/**
 * @param events those of the run from its `started` up to the version, in order
 * @throws CerebelumError INVALID_ARGUMENT
 */
export function planFork(source: ForkSource, events: readonly ForkedEvent[]): ForkPlan {
  const { executionId, run, version } = source
  const [started] = events
  const last = events.at(-1)
  if (started?.type !== 'started' || last?.version !== version) {
    throw refusal(source, `its run ${run} has no such event. Choose one of the latest run`)
  }
  if (CLOSING.has(last.type)) {
    throw refusal(
      source,
      `that event, "${last.type}", ends it. Choose an earlier one, at most ${version - 1}`,
    )
  }
  const settled = new Set(
    events.filter(({ type }) => type === 'child_completed' || type === 'child_failed').map(({ seq }) => seq),
  )
  const isDropped = ({ type, seq }: ForkedEvent): boolean =>
    NOT_ITS_OWN.has(type) || (type === 'child_started' && !settled.has(seq))
  const kept = events.filter((event) => !isDropped(event))
  // It has no parent, begins now, passes the gates itself, and is in a trace of its own.
  const { parentId: _0, startAt: _1, admitted: _2, traceparent: _3, ...detail } = readDetail(started)
  // Its own numbering: what is left out closes up.
  const place = (until: number): number =>
    kept.filter((event) => event.version - started.version < until).length
  const drawn = (detail.seeds ?? []).map((seed) => ({ ...seed, until: place(seed.until) }))
  const seeds: Seed[] = [...drawn, { executionId, run, until: kept.length }]
  return {
    workflow: detail.workflow,
    workflowVersion: detail.workflowVersion,
    dropped: events.filter(isDropped).map((event) => event.version),
    count: kept.length,
    detail: { ...detail, run: 1, forkedFrom: { executionId, version }, seeds },
    attributes: Object.assign({}, ...kept.map(attributesOf)),
  }
}

function attributesOf(event: ForkedEvent): Attributes {
  if (event.type === 'started') return readDetail(event).attributes ?? {}
  return event.type === 'attributes_set' ? Object(JSON.parse(event.detail ?? '{}')) : {}
}

function readDetail({ detail }: ForkedEvent): StartedDetail {
  return JSON.parse(detail ?? '{}')
}

function refusal({ executionId, version }: ForkSource, why: string): CerebelumError {
  return new CerebelumError(
    'INVALID_ARGUMENT',
    `Execution "${executionId}" cannot be forked after version ${version}: ${why}.`,
    { executionId, version },
  )
}
