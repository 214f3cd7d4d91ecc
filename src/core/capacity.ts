// The capacity planner: what an installation needs for so much work, and how much so many nodes can do. All constants are
// what was measured there; what was not measured is not guessed, but null. Work is scaled by what it stores: a byte of a
// payload is taken to cost as much as the bytes of the rows that were measured, which is more than it does.

/** What a benchmark measured: one node, and the database that it had. */
export interface Measured {
  readonly workflowsPerSecond: number
  /** Of each workflow, and of each value in it. */
  readonly steps: number
  readonly payloadBytes: number
  readonly cpuMsNode: number
  /** Null: it could not be measured there. Per workflow, as the rest. */
  readonly cpuMsDatabase: number | null
  readonly storedBytes: number | null
  readonly walBytes: number | null
}

export interface Demand {
  readonly workflowsPerSecond: number
  /** Executions that wait at any time; default 0. */
  readonly waiting?: number
  /** Of each workflow; default 3. */
  readonly steps?: number
  /** Bytes of each input, step's result and output; default: as measured. */
  readonly payloadBytes?: number
  /** Default 1. */
  readonly regions?: number
  /** How long closed executions are kept, in days; default 30. */
  readonly keptDays?: number
  /** How often the database keeps each byte: replicas, standbys; default 1. */
  readonly copies?: number
  /** Per month. */
  readonly prices?: { readonly node?: number; readonly databaseCore?: number; readonly gigabyte?: number }
}

export interface CapacityPlan {
  readonly nodes: number
  /** That an installation of so many nodes should be made with. */
  readonly partitions: number
  readonly databaseCores: number | null
  /** Of one workflow, from its start to its removal. */
  readonly bytesPerWorkflow: number | null
  readonly bytesPerDay: number | null
  readonly walBytesPerDay: number | null
  /** With all that is kept, what waits, and its copies. */
  readonly databaseBytes: number | null
  readonly costPerMonth: number | null
}

/** Of what was measured this share stays free: for bursts, for the work of a node that is gone, for dead rows. */
export const HEADROOM = 0.2

const SECONDS_PER_DAY = 86_400
const PARTITIONS_MIN = 64
const PARTITIONS_PER_NODE = 16
const GIGABYTE = 1e9
/** `started` and the end, beside an event for each step. */
const EVENTS_MORE = 2

export function planCapacity(measured: Measured, demand: Demand): CapacityPlan {
  const { workflowsPerSecond, waiting = 0, regions = 1, keptDays = 30, copies = 1 } = demand
  const weight = weightOf(measured, demand)
  const perNode = (measured.workflowsPerSecond / weight) * (1 - HEADROOM)
  // One in each region at least.
  const nodes = Math.max(Math.ceil(workflowsPerSecond / perNode), regions, 1)
  const coresBusy = scaled(measured.cpuMsDatabase, (weight * workflowsPerSecond) / 1_000)
  const databaseCores = coresBusy === null ? null : Math.max(1, Math.ceil(coresBusy / (1 - HEADROOM)))
  const bytesPerWorkflow = scaled(measured.storedBytes, weight)
  const perDay = workflowsPerSecond * SECONDS_PER_DAY
  // One that waits for its last event stores as much as one that has ended.
  const databaseBytes = scaled(bytesPerWorkflow, ((perDay * keptDays + waiting) * copies) / (1 - HEADROOM))
  return {
    nodes,
    partitions: Math.max(PARTITIONS_MIN, 2 ** Math.ceil(Math.log2(nodes * PARTITIONS_PER_NODE))),
    databaseCores,
    bytesPerWorkflow,
    bytesPerDay: scaled(bytesPerWorkflow, perDay),
    walBytesPerDay: scaled(measured.walBytes, weight * perDay),
    databaseBytes,
    costPerMonth: costOf(demand, { nodes, databaseCores, databaseBytes }),
  }
}

/**
 * Workflows per second that so many nodes can do with the headroom left, if the database has the cores for it.
 *
 * @example
 * const { workflowsPerSecond, databaseCores } = maxCapacity(4, measured, { steps: 10 })
 */
export function maxCapacity(
  nodes: number,
  measured: Measured,
  { steps, payloadBytes }: Pick<Demand, 'steps' | 'payloadBytes'> = {},
): { readonly workflowsPerSecond: number; readonly databaseCores: number | null } {
  const weight = weightOf(measured, {
    ...(steps === undefined ? {} : { steps }),
    ...(payloadBytes === undefined ? {} : { payloadBytes }),
  })
  const workflowsPerSecond = (nodes * measured.workflowsPerSecond * (1 - HEADROOM)) / weight
  const coresBusy = scaled(measured.cpuMsDatabase, (weight * workflowsPerSecond) / 1_000)
  return { workflowsPerSecond, databaseCores: coresBusy === null ? null : coresBusy / (1 - HEADROOM) }
}

/** How many times the measured workflow one of these is. Without bytes, their events are what there is to compare. */
function weightOf(measured: Measured, { steps = 3, payloadBytes }: Partial<Demand>): number {
  const events = steps + EVENTS_MORE
  const byEvents = events / (measured.steps + EVENTS_MORE)
  const more = Math.max(0, (payloadBytes ?? 0) - measured.payloadBytes) * events
  return measured.storedBytes === null ? byEvents : byEvents + more / measured.storedBytes
}

function scaled(value: number | null, by: number): number | null {
  return value === null ? null : value * by
}

/** Null when a price is given of what is not known, or none at all. */
function costOf(
  { prices = {} }: Demand,
  { nodes, databaseCores, databaseBytes }: Pick<CapacityPlan, 'nodes' | 'databaseCores' | 'databaseBytes'>,
): number | null {
  const parts: (number | null)[] = [
    ...(prices.node === undefined ? [] : [prices.node * nodes]),
    ...(prices.databaseCore === undefined ? [] : [scaled(databaseCores, prices.databaseCore)]),
    ...(prices.gigabyte === undefined ? [] : [scaled(databaseBytes, prices.gigabyte / GIGABYTE)]),
  ]
  const known = parts.filter((part) => part !== null)
  return parts.length === 0 || known.length < parts.length ? null : known.reduce((sum, part) => sum + part, 0)
}
