// Decoders: from rows as the driver gives them (int8 as text, timestamptz as Date, jsonb parsed) to our own types.
// The only place in the store where a type is asserted; each assertion is checked against the words of `core`.

import { CerebelumError } from '../core/errors.js'
import { EVENT_TYPES, type Event, type EventType } from '../core/event.js'
import { type Attributes, type ExecutionStatus, type ParentLink, STATUSES } from '../core/execution.js'
import { MESSAGE_KINDS, type Message, type MessageKind } from '../core/message.js'
import { partitionOf } from '../core/partition.js'
import { OVERLAP_POLICIES, type OverlapPolicy } from '../core/schedule.js'
import { parseSpec } from '../core/schedule-spec.js'
import type {
  Claimed,
  ExecutionRow,
  HeldCount,
  LeaseRow,
  NodeReport,
  PartitionRow,
  ScheduleRow,
  ThroughputRow,
} from './store.js'

export interface RawExecution {
  readonly region: string
  readonly partition: number
  readonly execution_id: string
  readonly workflow: string
  readonly workflow_version: string
  readonly status: string
  readonly run: number
  readonly run_version: number
  readonly version: number
  readonly claimed_by: string | null
  readonly claim_epoch: number
  readonly ready_at: Date | null
  readonly attempts: number
  readonly inbox: number
  readonly start_id: string | null
  readonly parent_id: string | null
  readonly attributes: Attributes | null
  readonly note: string | null
  readonly started_at: Date
  readonly closed_at: Date | null
}

export function decodeExecution(raw: RawExecution): ExecutionRow {
  return {
    key: { region: raw.region, partition: raw.partition, executionId: raw.execution_id },
    workflow: raw.workflow,
    workflowVersion: raw.workflow_version,
    status: decodeStatus(raw.status),
    run: raw.run,
    runVersion: raw.run_version,
    version: raw.version,
    claimedBy: raw.claimed_by,
    claimEpoch: raw.claim_epoch,
    readyAt: raw.ready_at,
    attempts: raw.attempts,
    inbox: raw.inbox,
    startId: raw.start_id,
    parentId: raw.parent_id,
    attributes: raw.attributes,
    note: raw.note,
    startedAt: raw.started_at,
    closedAt: raw.closed_at,
  }
}

export interface RawClaimed {
  readonly region: string
  readonly partition: number
  readonly execution_id: string
  readonly workflow: string
  readonly workflow_version: string
  readonly run: number
  readonly run_version: number
  readonly version: number
  readonly claim_epoch: number
  readonly inbox: number
  readonly attempts: number
  readonly parent_id: string | null
  readonly parent_seq: number | null
  readonly parent_run: number | null
  readonly at: Date
  readonly rung_at?: Date
}

/** `regionOf` gives the home region of a partition; a parent lives where its id's hash says. */
export function decodeClaimed(raw: RawClaimed, home: Home): Claimed {
  return {
    key: { region: raw.region, partition: raw.partition, executionId: raw.execution_id },
    workflow: raw.workflow,
    workflowVersion: raw.workflow_version,
    run: raw.run,
    runVersion: raw.run_version,
    version: raw.version,
    claimEpoch: raw.claim_epoch,
    inbox: raw.inbox,
    attempts: raw.attempts,
    parent: decodeParent(raw, home),
    at: raw.at,
    ...(raw.rung_at === undefined ? {} : { rungAt: raw.rung_at }),
  }
}

export interface Home {
  readonly partitionCount: number
  regionOf(partition: number): string
}

export interface RawParent {
  readonly parent_id: string | null
  readonly parent_seq: number | null
  readonly parent_run: number | null
}

export function decodeParent(raw: RawParent, home: Home): ParentLink | null {
  if (raw.parent_id === null) return null
  const partition = partitionOf(raw.parent_id, home.partitionCount)
  return {
    key: { region: home.regionOf(partition), partition, executionId: raw.parent_id },
    seq: raw.parent_seq ?? 0,
    run: raw.parent_run ?? 1,
  }
}

export interface RawEvent {
  readonly version: number
  readonly type: string
  readonly seq: number | null
  readonly name: string | null
  readonly attempt: number | null
  readonly detail: string | null
  readonly payload: string | null
  readonly message_id: string | null
  readonly due_at: Date | null
  readonly at: Date
}

export function decodeEvent(raw: RawEvent): Event {
  return {
    version: raw.version,
    type: decodeEventType(raw.type),
    at: raw.at,
    ...(raw.seq !== null && { seq: raw.seq }),
    ...(raw.name !== null && { name: raw.name }),
    ...(raw.attempt !== null && { attempt: raw.attempt }),
    ...(raw.detail !== null && { detail: raw.detail }),
    ...(raw.payload !== null && { payload: raw.payload }),
    ...(raw.message_id !== null && { messageId: raw.message_id }),
    ...(raw.due_at !== null && { dueAt: raw.due_at }),
  }
}

export interface RawMessage {
  readonly message_id: string
  readonly position: number
  readonly kind: string
  readonly name: string
  readonly payload: string | null
  readonly detail: string | null
}

export function decodeMessage(raw: RawMessage): Message {
  return {
    messageId: raw.message_id,
    position: raw.position,
    kind: decodeMessageKind(raw.kind),
    name: raw.name,
    ...(raw.payload !== null && { payload: raw.payload }),
    ...(raw.detail !== null && { detail: raw.detail }),
  }
}

export interface RawLease {
  readonly node_id: string
  readonly region: string
  readonly address: string | null
  readonly release: string
  readonly capacity: number
  readonly load: string
  readonly workflows: string
  readonly started_at: Date
  readonly renewed_at: Date
  readonly expires_at: Date
  readonly expired: boolean
}

export function decodeLease(raw: RawLease): LeaseRow {
  return {
    nodeId: raw.node_id,
    region: raw.region,
    address: raw.address,
    release: raw.release,
    capacity: raw.capacity,
    report: decodeReport(raw.load),
    workflows: JSON.parse(raw.workflows) as readonly string[],
    startedAt: raw.started_at,
    renewedAt: raw.renewed_at,
    expiresAt: raw.expires_at,
    expired: raw.expired,
  }
}

/** Nodes of other releases say less, or more. */
function decodeReport(load: string): NodeReport {
  const said = JSON.parse(load) as Partial<NodeReport>
  return {
    zone: said.zone ?? null,
    isDraining: said.isDraining ?? false,
    running: said.running ?? 0,
    cached: said.cached ?? 0,
    laneDepth: said.laneDepth ?? 0,
    lagMs: said.lagMs ?? 0,
    cpu: said.cpu ?? 0,
    versions: said.versions ?? {},
  }
}

export interface RawPartition {
  readonly id: number
  readonly region: string
  readonly owner: string | null
  /** int8, as text. */
  readonly epoch: string
}

export function decodePartition(raw: RawPartition): PartitionRow {
  return { partition: raw.id, region: raw.region, owner: raw.owner, epoch: Number(raw.epoch) }
}

export interface RawHeldCount {
  readonly node_id: string
  readonly status: string
  readonly executions: number
}

export function decodeHeldCount(raw: RawHeldCount): HeldCount {
  return { nodeId: raw.node_id, status: decodeStatus(raw.status), executions: raw.executions }
}

export interface RawThroughput {
  readonly at: Date
  readonly started: number
  readonly completed: number
  readonly failed: number
  readonly canceled: number
  readonly terminated: number
  readonly p50_ms: number | null
  readonly p95_ms: number | null
}

export function decodeThroughput(raw: RawThroughput, workflow: string): ThroughputRow {
  const { p50_ms: p50Ms, p95_ms: p95Ms, ...counts } = raw
  return { workflow, ...counts, p50Ms, p95Ms }
}

export interface RawSchedule {
  readonly schedule_id: string
  readonly region: string
  readonly spec: string
  /** int8, as text; so are the counters. */
  readonly jitter_ms: string
  readonly workflow: string
  readonly workflow_version: string
  readonly input: string | null
  readonly unchecked: boolean
  readonly attributes: string | null
  readonly overlap: string
  readonly catch_up_ms: string
  readonly paused: boolean
  readonly note: string | null
  readonly revision: string
  readonly next_at: Date | null
  readonly due_at: Date | null
  readonly last_at: Date | null
  readonly buffered_at: Date | null
  readonly last_execution_id: string | null
  readonly fired: string
  readonly skipped: string
  readonly missed: string
  readonly created_at: Date
  readonly updated_at: Date
}

export function decodeSchedule(raw: RawSchedule): ScheduleRow {
  return {
    scheduleId: raw.schedule_id,
    region: raw.region,
    spec: parseSpec(raw.spec),
    jitterMs: Number(raw.jitter_ms),
    workflow: raw.workflow,
    workflowVersion: raw.workflow_version,
    input: raw.input,
    unchecked: raw.unchecked,
    attributes: raw.attributes === null ? null : (JSON.parse(raw.attributes) as Attributes),
    overlap: decodeOverlap(raw.overlap),
    catchUpMs: Number(raw.catch_up_ms),
    paused: raw.paused,
    note: raw.note,
    revision: Number(raw.revision),
    nextAt: raw.next_at,
    dueAt: raw.due_at,
    lastAt: raw.last_at,
    bufferedAt: raw.buffered_at,
    lastExecutionId: raw.last_execution_id,
    fired: Number(raw.fired),
    skipped: Number(raw.skipped),
    missed: Number(raw.missed),
    createdAt: raw.created_at,
    updatedAt: raw.updated_at,
  }
}

function decodeOverlap(overlap: string): OverlapPolicy {
  if (!OVERLAP_WORDS.has(overlap)) throw unreadable('overlap policy', overlap)
  return overlap as OverlapPolicy
}

function decodeStatus(status: string): ExecutionStatus {
  if (!STATUS_WORDS.has(status)) throw unreadable('status', status)
  return status as ExecutionStatus
}

function decodeEventType(type: string): EventType {
  if (!EVENT_WORDS.has(type)) throw unreadable('event type', type)
  return type as EventType
}

function decodeMessageKind(kind: string): MessageKind {
  if (!MESSAGE_WORDS.has(kind)) throw unreadable('message kind', kind)
  return kind as MessageKind
}

const OVERLAP_WORDS: ReadonlySet<string> = new Set(OVERLAP_POLICIES)
const STATUS_WORDS: ReadonlySet<string> = new Set(STATUSES)
const EVENT_WORDS: ReadonlySet<string> = new Set(EVENT_TYPES)
const MESSAGE_WORDS: ReadonlySet<string> = new Set(MESSAGE_KINDS)

function unreadable(what: string, value: string): CerebelumError {
  const text = `The database holds the ${what} "${value}", which this release does not know. Upgrade this node.`
  return new CerebelumError('DATABASE_SCHEMA', text)
}
