// An execution: one run of a workflow, known by its id. The words for its states and the ways to start it.
// `executions` rows are derived from the history and may always be recomputed from it.

/** Where an execution's rows live: every table of an execution is keyed by these three, in this order. */
export interface ExecutionKey {
  readonly region: string
  readonly partition: number
  readonly executionId: string
}

/**
 * - `queued`: waits its turn at a gate: a limit of its workflow on how many run, or begin, at a time;
 * - `running`: claimed by a node, or waiting to be claimed;
 * - `waiting`: suspended until a timer or a message rings its doorbell;
 * - `paused`: by a person, until resumed;
 * - `blocked`: the code disagrees with the history; tried again now and then, nothing is lost;
 * - `dead`: a dead letter, set aside because it kept killing or failing to load; `retry` brings it back;
 * - the rest are closed for good.
 */
export const OPEN_STATUSES = ['queued', 'running', 'waiting', 'paused', 'blocked', 'dead'] as const
export const CLOSED_STATUSES = ['completed', 'failed', 'canceled', 'terminated'] as const
export const STATUSES = [...OPEN_STATUSES, ...CLOSED_STATUSES] as const

export type OpenStatus = (typeof OPEN_STATUSES)[number]
export type ClosedStatus = (typeof CLOSED_STATUSES)[number]
export type ExecutionStatus = OpenStatus | ClosedStatus

export function isClosed(status: ExecutionStatus): status is ClosedStatus {
  return status === 'completed' || status === 'failed' || status === 'canceled' || status === 'terminated'
}

/**
 * What a start does when its id is taken:
 * - `return-existing` (default): the existing execution is the answer, open or closed;
 * - `reject`: EXECUTION_EXISTS;
 * - `allow-after-close`: a new run of the same id when the last one is closed, else the open one is the answer;
 * - `replace`: an open one is terminated and a new run begins.
 */
export type IdPolicy = 'return-existing' | 'reject' | 'allow-after-close' | 'replace'

/** What happens to a child that is still open when its parent closes. */
export type ParentClosePolicy = 'terminate' | 'cancel' | 'abandon'

export interface ParentLink {
  readonly key: ExecutionKey
  /** The command of the parent (its `seq`) and the parent's run that wait for this child. */
  readonly seq: number
  readonly run: number
}

/** Values that a search attribute may hold. */
export type AttributeValue = string | number | boolean | null
export type Attributes = Readonly<Record<string, AttributeValue>>
