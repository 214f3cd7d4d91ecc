// What tests of the store hand to it: small builders with everything spelled out that matters to no test. A `Place`
// is a region of a test's own: claims, timers and sweeps go by region and partition, so tests that share a schema
// do not see each other.

import type { NewEvent } from '../../src/core/event.js'
import type { ExecutionKey } from '../../src/core/execution.js'
import type { NewMessage } from '../../src/core/message.js'
import type { Claimed, Commit, Glance, NodeReport, StartRow, Store } from '../../src/store/store.js'

export const WORKFLOW = 'test-workflow'

/** What a node says that has nothing to do. */
export const IDLE: NodeReport = {
  zone: null,
  isDraining: false,
  running: 0,
  cached: 0,
  laneDepth: 0,
  lagMs: 0,
  cpu: 0,
  versions: {},
}

/** A look that finds nothing. */
export const NOTHING_SEEN: Glance = {
  isReady: false,
  isLate: false,
  timerInMs: null,
  scheduleInMs: null,
  gateInMs: null,
}

let places = 0

export class Place {
  /** No region is the beginning of another. */
  readonly region = `test-${process.pid}-${places++}.`

  /** A key in this place; its partition is the test's choice, not the id's hash. */
  key(name: string, partition = 0): ExecutionKey {
    return { region: this.region, partition, executionId: `${this.region}/${name}` }
  }

  keys(count: number, partition = 0): ExecutionKey[] {
    return Array.from({ length: count }, (_, n) => this.key(`e${String(n).padStart(4, '0')}`, partition))
  }

  partitions(count = 1): { readonly region: string; readonly partition: number }[] {
    return Array.from({ length: count }, (_, partition) => ({ region: this.region, partition }))
  }

  /** A node's id, of this place only. */
  node(name: string): string {
    return `${this.region}/${name}`
  }
}

export function startRow(key: ExecutionKey, overrides: Partial<StartRow> = {}): StartRow {
  return {
    key,
    workflow: WORKFLOW,
    workflowVersion: '1',
    startId: null,
    claimedBy: null,
    event: { type: 'started', name: WORKFLOW, detail: '{}', payload: '"input"' },
    ...overrides,
  }
}

/** Starts executions as claimed by a node, at epoch 1 and version 1. */
export async function startClaimed(
  store: Store,
  nodeId: string,
  keys: readonly ExecutionKey[],
): Promise<void> {
  await store.insertExecutions(keys.map((key) => startRow(key, { claimedBy: nodeId })))
}

/** A commit of a claim at epoch 1 and version 1, with one step completed. */
export function commitOf(key: ExecutionKey, nodeId: string, overrides: Partial<Commit> = {}): Commit {
  return { key, nodeId, claimEpoch: 1, expectedVersion: 1, events: [stepCompleted(1)], ...overrides }
}

export function stepCompleted(seq: number, payload = `"result ${seq}"`): NewEvent {
  return { type: 'step_completed', seq, name: `step ${seq}`, attempt: 1, payload }
}

/** Gives up a claim at epoch 1 and version 1. */
export function releaseOf(
  key: ExecutionKey,
  nodeId: string,
  transition: Partial<Extract<Commit['transition'], { kind: 'release' }>> = {},
): Commit {
  return commitOf(key, nodeId, {
    events: [],
    transition: { kind: 'release', status: 'waiting', ...transition },
  })
}

export function signalTo(
  key: ExecutionKey,
  messageId: string,
  overrides: Partial<NewMessage> = {},
): NewMessage {
  return { key, messageId, kind: 'signal', name: 'approved', payload: '{"by":"ann"}', ...overrides }
}

/** What an execution tells its parent; a commit carries no other word to somebody who is not its child. */
export function reportTo(key: ExecutionKey, messageId: string): NewMessage {
  return signalTo(key, messageId, { kind: 'child', detail: '{"seq":1,"run":1,"status":"completed"}' })
}

/** Claims whatever is ready in a place. */
export function claimIn(
  store: Store,
  place: Place,
  options: {
    readonly nodeId?: string
    readonly limit?: number
    readonly partitions?: number
    readonly since?: Date
  } = {},
): Promise<Claimed[]> {
  return store.claim({
    nodeId: options.nodeId ?? place.node('claimer'),
    partitions: place.partitions(options.partitions ?? 1),
    since: options.since ?? null,
    workflows: [WORKFLOW],
    limit: options.limit ?? 100,
  })
}

export function idsOf(found: readonly { readonly key: ExecutionKey }[]): string[] {
  return found.map(({ key }) => key.executionId).sort()
}
