// The store of a simulated node: the model's statements, each a trip over the node's own link, put together as
// `src/store` puts its statements together: in the retry loop of the store itself, with outcomes that are unknown
// resolved by reading.

import { CerebelumError } from '../../src/core/errors.js'
import { partitionOf } from '../../src/core/partition.js'
import { randomFraction, type Clock } from '../../src/core/ports.js'
import { BEAT_STEP_MAX_MS, Outage, withRetry, type Attempt, type RetryPolicy } from '../../src/store/retry.js'
import { sortFailure } from '../../src/store/failures.js'
import type {
  Claimed,
  ClaimRequest,
  Commit,
  CommitOutcome,
  Rung,
  StartOutcome,
  StartRow,
  Store,
  TakeOverRequest,
} from '../../src/store/store.js'
import type { ModelExecutions, ModelSettled } from './model-executions.js'
import type { ModelLeases } from './model-leases.js'

export interface ModelTables {
  readonly leases: ModelLeases
  readonly executions: ModelExecutions
}

export type HintListener = (partitions: ReadonlySet<number>, areFree: boolean) => void

export interface ModelStoreOptions {
  readonly tables: ModelTables
  readonly clock: Clock
  readonly trip: <T>(carryOut: () => T) => Promise<T>
  readonly hasHints: boolean
  /** A hint for all who listen. */
  readonly tell: HintListener
  readonly listen: (listener: HintListener) => () => void
  readonly now: () => number
  readonly trace: (line: string) => void
}

const RETRY_FOR_MS = 30_000
/** Of claims whose answers were lost: how long they are looked for. */
const DOUBT_MS = 60_000
const BATCH_SIZE = 1_000
const TOKENS = 2 ** 31

export function modelStore(options: ModelStoreOptions): Store {
  const { tables, trip, hasHints, clock } = options
  const { leases, executions } = tables
  const policy: RetryPolicy = { clock, retryForMs: RETRY_FOR_MS, outage: new Outage() }
  const tried = <T>(call: string, work: (attempt: Attempt) => Promise<T>): Promise<T> =>
    withRetry(policy, call, (attempt) => {
      options.trace(call)
      return work(attempt)
    })
  const once = <T>(call: string, carryOut: () => T): Promise<T> => tried(call, () => trip(carryOut))
  const beat = <T>(call: string, carryOut: () => T): Promise<T> => {
    options.trace(call)
    return withRetry({ ...policy, stepMaxMs: BEAT_STEP_MAX_MS }, call, () => trip(carryOut))
  }
  const counted = (call: string, carryOut: () => number): Promise<number> =>
    tried(call, async ({ doubtful }) => Math.max(await trip(carryOut), doubtful ? 1 : 0))
  const ring = (partitions: readonly number[]): void => {
    if (hasHints && partitions.length > 0) options.tell(new Set(partitions), false)
  }
  const claims = new LostClaims(options)
  const partitionCount = leases.partitions.length
  const keyOf: Store['keyOf'] = (executionId) => ({
    region: 'local',
    partition: partitionOf(executionId, partitionCount),
    executionId,
  })

  async function freePartitions(nodeId: string): Promise<void> {
    const freed = await beat('freePartitions', () => leases.free([nodeId]))
    if (freed > 0 && hasHints) options.tell(new Set(), true)
  }

  async function handBackAll(nodeId: string): Promise<void> {
    const estate = { nodeIds: [nodeId], crashesMax: undefined, heir: null, limit: BATCH_SIZE }
    for (;;) {
      const { ended, rung } = await beat('handBack', () => executions.takeOver(estate))
      if (ended === 0) return
      ring(rung)
    }
  }

  return {
    dialect: 'postgres',
    partitionCount,
    keyOf,
    ping: () => once('ping', () => new Date(options.now())),
    close: () => Promise.resolve(),
    hasHints,
    carryHints: () => undefined,
    onHint(listener) {
      const end = hasHints ? options.listen(listener) : () => undefined
      return () => Promise.resolve(end())
    },

    async insertExecutions(starts) {
      options.trace(
        `insertExecutions ${starts.map(({ key, claimedBy }) => `${key.executionId} for ${claimedBy}`).join(', ')}`,
      )
      const outcomes = await insertStarts({ starts, tables, trip, claims, policy })
      options.trace(`insertExecutions: ${JSON.stringify(outcomes)}`)
      const isRinging = (n: number): boolean => {
        const outcome = outcomes[n]
        return outcome?.kind === 'created' && !outcome.claimed
      }
      ring(starts.filter((_, n) => isRinging(n)).map(({ key }) => key.partition))
      return outcomes
    },
    async commit(commits) {
      const outcomes = await commitAll({ commits, tables, trip, policy })
      options.trace(
        `commit ${commits.map(traceOf).join(', ')}: ${outcomes.map(({ kind }) => kind).join(', ')}`,
      )
      ring(commits.filter(isHandedBack).map(({ key }) => key.partition))
      return outcomes
    },
    glance: (request) => once('glance', () => executions.glance(request)),
    claim: (request) => tried('claim', () => claims.claim(request)),
    async takeRung(nodeId, limit, isWanted = () => true) {
      const rung = await once('takeRung', () => executions.findRung(nodeId, limit))
      const found = rung.filter(isWanted)
      if (found.length === 0) return []
      return tried('takeRung', async ({ doubtful }) => {
        const cleared: Rung[] = await trip(() => executions.clearRung(nodeId, found))
        return doubtful ? trip(() => executions.readHeld(nodeId, found)) : cleared
      })
    },
    takeOver: (request) =>
      tried('takeOver', async ({ doubtful }) => {
        const { claimed, rung, ended } = await claims.takeOver(request)
        ring(rung)
        return { claimed, ended: doubtful ? Math.max(ended, 1) : ended }
      }),
    findHeld: (nodeId, limit) => once('findHeld', () => executions.findHeld(nodeId, limit)),
    ringStranded: (keys) => counted('ringStranded', () => executions.ringStranded(keys)),
    sweepStranded: (partitions, limit) =>
      counted('sweepStranded', () => executions.sweepStranded(partitions, limit)),

    readExecutions: (keys) => once('readExecutions', () => executions.read(keys)),
    readHistories: (wanted, limit) => once('readHistories', () => executions.histories(wanted, limit)),
    readInboxes: (wanted) => once('readInboxes', () => wanted.map(() => [])),
    async fireTimers(partitions, limit) {
      if (partitions.length === 0) return { taken: 0, nextInMs: null }
      const taken = await counted('fireTimers', () => executions.takeTimers(partitions, limit))
      const nextInMs = await once('fireTimers', () => executions.nextTimer(partitions))
      return { taken, nextInMs }
    },
    nextTimer: (partitions) => once('nextTimer', () => executions.nextTimer(partitions)),
    updateLimits: () => once('updateLimits', () => undefined),
    enqueue: () => leftOut('enqueue'),
    admit: () => once('admit', () => ({ passed: [], again: [], isMore: false, nextInMs: null })),
    nextSchedule: () => once('nextSchedule', () => null),

    insertLease: (lease) => beat('insertLease', () => leases.insert(lease)),
    renewLease: (nodeId, leaseMs, report) => beat('renewLease', () => leases.renew(nodeId, leaseMs, report)),
    readCluster: () => beat('readCluster', () => leases.read()),
    async removeLease(nodeId) {
      await beat('removeLease', () => leases.delete([nodeId]))
      await freePartitions(nodeId)
      await handBackAll(nodeId)
    },
    async buryLeases(graceMs, seenAt) {
      const over = { graceMs, seenAtMs: seenAt?.getTime() }
      const expired = await beat('buryLeases', () => leases.findExpired(over))
      const alive = await beat('buryLeases', () => leases.deleteExpired({ ...over, nodeIds: expired }))
      const orphaned = await beat('buryLeases', () => executions.findOrphaned(BATCH_SIZE))
      const dead = [...new Set([...expired.filter((nodeId) => !alive.has(nodeId)), ...orphaned])]
      if (dead.length > 0) await beat('buryLeases', () => leases.free(dead))
      return dead
    },
    async buryNodes(nodeIds) {
      const dead = await beat('buryNodes', () => leases.findLeased(nodeIds))
      if (dead.length === 0) return []
      await beat('buryNodes', () => leases.delete(dead))
      const freed = await beat('buryNodes', () => leases.free(dead))
      if (freed > 0 && hasHints) options.tell(new Set(), true)
      return dead
    },
    readPartitions: () => beat('readPartitions', () => leases.readPartitions()),
    takePartitions: (nodeId, wanted) => beat('takePartitions', () => leases.take(nodeId, wanted)),
    givePartitions: (nodeId, given) => beat('givePartitions', () => leases.give(nodeId, given)),
    freePartitions,

    registerDefinitions: () => Promise.resolve(),
    readDefinitions: () => Promise.resolve([]),
    sweepConsumed: () => once('sweepConsumed', () => 0),
    writePolicies: () => Promise.resolve(),
    takeSweep: () => Promise.resolve(null),

    insertExecutionsWithin: () => leftOut('insertExecutionsWithin'),
    sendMessages: () => leftOut('sendMessages'),
    restart: () => leftOut('restart'),
    readForkable: () => leftOut('readForkable'),
    fork: () => leftOut('fork'),
    restartWithin: () => leftOut('restartWithin'),
    terminate: () => leftOut('terminate'),
    resume: () => leftOut('resume'),
    remove: () => leftOut('remove'),
    transact: () => leftOut('transact'),
    readAnswers: () => leftOut('readAnswers'),
    list: () => leftOut('list'),
    insertSchedule: () => leftOut('insertSchedule'),
    readSchedule: () => leftOut('readSchedule'),
    listSchedules: () => leftOut('listSchedules'),
    changeSchedule: () => leftOut('changeSchedule'),
    removeSchedule: () => leftOut('removeSchedule'),
    fireSchedules: () => leftOut('fireSchedules'),
    findExpired: () => leftOut('findExpired'),
    removeExpired: () => leftOut('removeExpired'),
    noteSweep: () => leftOut('noteSweep'),
    readClusterStats: () => leftOut('readClusterStats'),
    readThroughput: () => leftOut('readThroughput'),
  }
}

function traceOf({ key, nodeId, claimEpoch, expectedVersion, events, transition }: Commit): string {
  const what = events.map(({ type }) => type).join('+')
  return `${key.executionId} ${expectedVersion} ${what} ${transition?.kind ?? ''} by ${nodeId}:${claimEpoch}`
}

function leftOut(call: string): Promise<never> {
  return Promise.reject(new CerebelumError('INTERNAL', `The model of the store leaves ${call} out.`))
}

function isHandedBack({ transition }: Commit): boolean {
  return transition?.kind === 'release' && transition.readyInMs === 0
}

type Trip = ModelStoreOptions['trip']

interface Call {
  readonly tables: ModelTables
  readonly trip: Trip
  readonly policy: RetryPolicy
}

/** As `src/store/lane.ts`. */
async function commitAll(call: Call & { readonly commits: readonly Commit[] }): Promise<CommitOutcome[]> {
  const { commits, tables, trip, policy } = call
  const outcomes = new Map<Commit, CommitOutcome>()
  const settle = async (some: readonly Commit[]): Promise<Commit[]> => {
    const resolutions = await trip(() => some.map((commit) => tables.executions.resolve(commit)))
    return some.filter((commit, n) => {
      const resolution = resolutions[n]
      if (resolution === undefined || resolution.kind === 'pending') return true
      outcomes.set(commit, resolution)
      return false
    })
  }
  let pending: readonly Commit[] = commits
  await withRetry(policy, 'commit', async ({ doubtful }) => {
    if (doubtful) pending = await settle(pending)
    for (let round = 0; pending.length > 0 && round <= commits.length; round++) {
      const batch = pending
      const written = await trip(() => tables.executions.commit(batch))
      const refused = batch.filter((commit, n) => {
        const outcome = written[n]
        if (outcome !== undefined) outcomes.set(commit, outcome)
        return outcome === undefined
      })
      pending = doubtful && refused.length > 0 ? await settle(refused) : []
    }
  })
  return commits.map((commit) => outcomes.get(commit) ?? { kind: 'lost' })
}

/** As `src/store/starts.ts`. */
async function insertStarts(
  call: Call & { readonly starts: readonly StartRow[]; readonly claims: LostClaims },
): Promise<StartOutcome[]> {
  const { starts, tables, trip, policy, claims } = call
  const token = newToken()
  const nodeIds = [...new Set(starts.flatMap((row) => row.claimedBy ?? []))]
  const known = new Map<StartRow, StartOutcome>()
  try {
    await withRetry(policy, 'insertExecutions', async ({ doubtful }) => {
      const claimed = doubtful ? await claims.readFresh(nodeIds, token) : new Set<string>()
      const open = starts.filter((start) => !known.has(start))
      const { created, rows } = await trip(() => ({
        created: tables.executions.insert(open, token),
        rows: tables.executions.read(open.map(({ key }) => key)),
      }))
      for (const [n, start] of open.entries()) {
        const row = rows[n]
        if (row === undefined || row === null) continue
        const isSame = row.startId === start.startId && (start.startId !== null || doubtful)
        const isOurs = created.has(start) || isSame
        const isClaimed = created.has(start)
          ? start.claimedBy !== null && start.startAt === undefined
          : claimed.has(start.key.executionId)
        known.set(
          start,
          isOurs ? { kind: 'created', at: row.startedAt, claimed: isClaimed } : { kind: 'exists', row },
        )
      }
    })
  } catch (error) {
    for (const nodeId of nodeIds) claims.suspect(nodeId, token)
    throw error
  }
  return starts.flatMap((start) => known.get(start) ?? [])
}

interface LostClaim {
  readonly nodeId: string
  readonly token: number
  readonly untilMs: number
  readonly found: Set<string>
}

/** As `src/store/claims.ts`. */
class LostClaims {
  readonly #options: ModelStoreOptions
  #lost: LostClaim[] = []

  constructor(options: ModelStoreOptions) {
    this.#options = options
  }

  async claim(request: ClaimRequest): Promise<Claimed[]> {
    const { trip, tables } = this.#options
    const recovered = await this.#recover(request.nodeId)
    if (recovered.length >= request.limit) return recovered
    const limit = request.limit - recovered.length
    return this.#doubted(request.nodeId, recovered, async (token) => [
      ...recovered,
      ...(await trip(() => tables.executions.claim({ ...request, limit }, token))),
    ])
  }

  async takeOver({ dead, heir, crashesMax, limit }: TakeOverRequest): Promise<ModelSettled> {
    const { trip, tables } = this.#options
    if (dead.length === 0) return { claimed: [], rung: [], ended: 0 }
    const estate = { nodeIds: dead, crashesMax, limit }
    if (heir === null) return trip(() => tables.executions.takeOver({ ...estate, heir }))
    const recovered = await this.#recover(heir.nodeId)
    return this.#doubted(heir.nodeId, recovered, async (token) => {
      const settled = await trip(() => tables.executions.takeOver({ ...estate, heir: { ...heir, token } }))
      return { ...settled, claimed: [...recovered, ...settled.claimed] }
    })
  }

  async #doubted<T>(
    nodeId: string,
    recovered: readonly Claimed[],
    work: (token: number) => Promise<T>,
  ): Promise<T> {
    const token = newToken()
    try {
      return await work(token)
    } catch (error) {
      for (const row of recovered) for (const lost of this.#lost) lost.found.delete(markOf(row))
      if (sortFailure(error) === 'unknown') this.suspect(nodeId, token)
      throw error
    }
  }

  suspect(nodeId: string, token: number): void {
    const untilMs = this.#options.clock.monotonicMs() + DOUBT_MS
    this.#lost.push({ nodeId, token, untilMs, found: new Set() })
  }

  async readFresh(nodeIds: readonly string[], token: number): Promise<Set<string>> {
    const { trip, tables } = this.#options
    const fresh = new Set<string>()
    for (const nodeId of nodeIds) {
      for (const row of await trip(() => tables.executions.readByToken(nodeId, [token])))
        if (row.version === row.runVersion) fresh.add(row.key.executionId)
    }
    return fresh
  }

  async #recover(nodeId: string): Promise<Claimed[]> {
    const { trip, tables, clock } = this.#options
    const nowMs = clock.monotonicMs()
    this.#lost = this.#lost.filter((lost) => lost.untilMs > nowMs)
    const lost = this.#lost.filter((entry) => entry.nodeId === nodeId)
    if (lost.length === 0) return []
    const tokens = lost.map((entry) => entry.token)
    const rows = await trip(() => tables.executions.readByToken(nodeId, tokens))
    return rows.filter((row) => {
      const mark = markOf(row)
      if (lost.some((entry) => entry.found.has(mark))) return false
      for (const entry of lost) entry.found.add(mark)
      return true
    })
  }
}

function newToken(): number {
  return Math.floor(randomFraction() * TOKENS)
}

function markOf(row: Claimed): string {
  return `${row.claimEpoch} ${row.key.executionId}`
}
