// Executions, their histories, doorbells and timers in memory: what the statements of the store promise of them, each
// method one statement. Messages, children and continue-as-new are left out: coordination does not depend on them.
// `model.test.ts` holds it against the real store.

import type { Event, NewEvent } from '../../src/core/event.js'
import type { ExecutionKey, ExecutionStatus } from '../../src/core/execution.js'
import type {
  Claimed,
  ClaimRequest,
  Glance,
  GlanceRequest,
  Commit,
  CommitOutcome,
  ExecutionRow,
  Rung,
  StartRow,
  Store,
} from '../../src/store/store.js'

type Homes = Parameters<Store['fireTimers']>[0]

export interface ModelExecution {
  readonly key: ExecutionKey
  readonly workflow: string
  readonly workflowVersion: string
  readonly startId: string | null
  readonly startedAtMs: number
  status: ExecutionStatus
  version: number
  claimedBy: string | null
  claimEpoch: number
  /** For the watch: nobody who lives knows of the claim. */
  claimedWithoutLease: boolean
  claimToken: number | null
  readyAtMs: number | null
  attempts: number
  note: string | null
  closedAtMs: number | null
  readonly history: Event[]
  /** When its timers are due, by the version of their events. */
  readonly timers: Map<number, number>
}

export interface ModelExecutionsOptions {
  /** The database's time. */
  readonly now: () => number
  readonly hasLease: (nodeId: string) => boolean
  /** Bug to be found: who holds the claim is not looked at, only what the history has. */
  readonly isFenceBlind?: boolean
}

export interface ModelEstate {
  readonly nodeIds: readonly string[]
  /** Undefined: the node left in good order. */
  readonly crashesMax: number | undefined
  readonly heir: {
    readonly nodeId: string
    readonly workflows: readonly string[]
    readonly token: number
  } | null
  readonly limit: number
}

export interface ModelSettled {
  readonly claimed: readonly Claimed[]
  readonly rung: readonly number[]
  readonly ended: number
}

const SUSPECT = 2
const CRASH_WAIT_MS = 100
const CRASH_WAIT_MAX_MS = 10_000
const CLAIMABLE: ReadonlySet<ExecutionStatus> = new Set(['running', 'waiting', 'blocked'])

export class ModelExecutions {
  readonly rows = new Map<string, ModelExecution>()
  /** Told of each commit that is written, before it is. */
  onAppend: (commit: Commit, row: ModelExecution) => void = () => undefined
  readonly #options: ModelExecutionsOptions

  constructor(options: ModelExecutionsOptions) {
    this.#options = options
  }

  /** Those that were not there. */
  insert(starts: readonly StartRow[], token: number): Set<StartRow> {
    const nowMs = this.#options.now()
    const created = new Set<StartRow>()
    for (const start of starts) {
      const { key, workflow, workflowVersion, startId, claimedBy, startAt, event } = start
      if (this.rows.has(key.executionId)) continue
      const isClaimed = claimedBy !== null && startAt === undefined
      const row: ModelExecution = {
        key,
        workflow,
        workflowVersion,
        startId,
        startedAtMs: Math.floor(nowMs),
        status: startAt === undefined ? 'running' : 'waiting',
        version: 1,
        claimedBy: isClaimed ? claimedBy : null,
        claimEpoch: isClaimed ? 1 : 0,
        claimedWithoutLease: isClaimed && !this.#options.hasLease(claimedBy),
        claimToken: isClaimed ? token : null,
        readyAtMs: isClaimed || startAt !== undefined ? null : nowMs,
        attempts: 0,
        note: null,
        closedAtMs: null,
        history: [],
        timers: new Map(),
      }
      this.rows.set(key.executionId, row)
      this.#write(row, { ...event, ...(startAt === undefined ? {} : { dueAt: startAt }) }, nowMs)
      created.add(start)
    }
    return created
  }

  /** Undefined where the fence or the key of the history did not let it through. */
  commit(commits: readonly Commit[]): (CommitOutcome | undefined)[] {
    return commits.map((commit) => this.#commitOne(commit))
  }

  #commitOne(commit: Commit): CommitOutcome | undefined {
    const nowMs = this.#options.now()
    const row = this.rows.get(commit.key.executionId)
    if (row === undefined) return undefined
    const isHeld = row.claimedBy === commit.nodeId && row.claimEpoch === commit.claimEpoch
    if (!isHeld && this.#options.isFenceBlind !== true) return undefined
    if (commit.events.length > 0 && row.history.length !== commit.expectedVersion) {
      // Taken: the key of the history decides. A gap would be a fault of the engine's.
      if (row.history.length > commit.expectedVersion) return undefined
      throw new Error(`a gap in the history of ${commit.key.executionId} at ${commit.expectedVersion}`)
    }
    this.onAppend(commit, row)
    for (const event of commit.events) this.#write(row, event, nowMs)
    const { transition } = commit
    const version = commit.expectedVersion + commit.events.length
    if (transition !== undefined && version > row.version) {
      row.version = version
      row.attempts = 0
    }
    if (transition?.kind === 'release') {
      const { readyInMs } = transition
      row.status = transition.status
      row.claimedBy = null
      row.note = transition.note ?? null
      if (readyInMs === 0) row.readyAtMs ??= nowMs
      else if (readyInMs !== undefined) row.readyAtMs = Math.min(row.readyAtMs ?? Infinity, nowMs + readyInMs)
    } else if (transition?.kind === 'close') {
      row.status = transition.status
      row.claimedBy = null
      row.note = null
      row.readyAtMs = null
      row.closedAtMs = nowMs
    }
    const rung = transition?.kind === 'release' && row.readyAtMs !== null
    return { kind: 'committed', at: asDate(nowMs), rung }
  }

  /** What became of a commit whose answer was lost. */
  resolve(commit: Commit): CommitOutcome | { readonly kind: 'pending' } {
    const row = this.rows.get(commit.key.executionId)
    if (row === undefined) return { kind: 'lost' }
    const isHeld = row.claimedBy === commit.nodeId && row.claimEpoch === commit.claimEpoch
    const endsClaim = commit.transition !== undefined && commit.transition.kind !== 'continue'
    const rung = row.readyAtMs !== null && endsClaim
    const { expectedVersion, events } = commit
    const written = row.history.slice(expectedVersion, expectedVersion + events.length)
    if (written.length > 0) {
      const isOurs = events.every((event, n) => isSame(event, written[n])) && (isHeld || endsClaim)
      const at = written[events.length - 1]?.at ?? asDate(this.#options.now())
      return isOurs ? { kind: 'committed', at, rung } : { kind: 'lost' }
    }
    if (isHeld) return { kind: 'pending' }
    if (endsClaim && events.length === 0)
      return { kind: 'committed', at: asDate(this.#options.now()), rung: row.readyAtMs !== null }
    return { kind: 'lost' }
  }

  claim(request: ClaimRequest, token: number): Claimed[] {
    const nowMs = this.#options.now()
    const due = this.#claimable(request.partitions, request.lateMs ?? 0, request.workflows)
    due.sort((a, b) => (a.readyAtMs ?? 0) - (b.readyAtMs ?? 0))
    const claimedWithoutLease = !this.#options.hasLease(request.nodeId)
    return due.slice(0, request.limit).map((row) => {
      row.claimedBy = request.nodeId
      row.claimedWithoutLease = claimedWithoutLease
      row.claimEpoch++
      row.claimToken = token
      row.readyAtMs = null
      row.status = 'running'
      return asClaimed(row, nowMs)
    })
  }

  glance({ own, others, lateMs, workflows }: GlanceRequest): Glance {
    return {
      isReady: this.#claimable(own, 0, workflows).length > 0,
      isLate: this.#claimable(others, lateMs, workflows).length > 0,
      timerInMs: this.nextTimer(own),
      scheduleInMs: null,
      gateInMs: null,
    }
  }

  #claimable(partitions: Homes, lateMs: number, workflows: readonly string[]): ModelExecution[] {
    const lateAtMs = this.#options.now() - lateMs
    const homes = new Set(partitions.map(({ partition }) => partition))
    return [...this.rows.values()].filter(
      (row) =>
        row.readyAtMs !== null &&
        row.claimedBy === null &&
        row.readyAtMs <= lateAtMs &&
        homes.has(row.key.partition) &&
        CLAIMABLE.has(row.status) &&
        workflows.includes(row.workflow),
    )
  }

  readByToken(nodeId: string, tokens: readonly number[]): Claimed[] {
    const nowMs = this.#options.now()
    return [...this.rows.values()]
      .filter((row) => row.claimedBy === nodeId && row.claimToken !== null && tokens.includes(row.claimToken))
      .map((row) => asClaimed(row, nowMs))
  }

  findRung(nodeId: string, limit: number): Rung[] {
    return this.#held(nodeId)
      .filter((row) => row.readyAtMs !== null)
      .sort((a, b) => (a.readyAtMs ?? 0) - (b.readyAtMs ?? 0))
      .slice(0, limit)
      .map((row) => asRung(row, this.#options.now()))
  }

  clearRung(nodeId: string, found: readonly Rung[]): Rung[] {
    const nowMs = this.#options.now()
    return this.#found(nodeId, found).flatMap((row) => {
      if (row.readyAtMs === null) return []
      const atMs = Math.max(row.readyAtMs, nowMs)
      row.readyAtMs = null
      return [asRung(row, atMs)]
    })
  }

  readHeld(nodeId: string, found: readonly Rung[]): Rung[] {
    return this.#found(nodeId, found).map((row) => asRung(row, this.#options.now()))
  }

  findHeld(nodeId: string, limit: number): { readonly key: ExecutionKey; readonly claimEpoch: number }[] {
    return this.#held(nodeId)
      .slice(0, limit)
      .map(({ key, claimEpoch }) => ({ key, claimEpoch }))
  }

  findOrphaned(limit: number): string[] {
    const holders = new Set<string>()
    for (const { claimedBy } of this.rows.values()) if (claimedBy !== null) holders.add(claimedBy)
    return [...holders]
      .sort()
      .slice(0, limit)
      .filter((nodeId) => !this.#options.hasLease(nodeId))
  }

  takeOver({ nodeIds, crashesMax, heir, limit }: ModelEstate): ModelSettled {
    const nowMs = this.#options.now()
    const dead = nodeIds.filter((nodeId) => !this.#options.hasLease(nodeId))
    const held = dead.flatMap((nodeId) => this.#held(nodeId)).slice(0, limit)
    const claimed: Claimed[] = []
    const rung: number[] = []
    for (const row of held) {
      const last = row.history.length
      const grown = last > row.version ? 1 : Math.min(row.attempts + 1, 1_000)
      const crashes = crashesMax === undefined ? row.attempts : grown
      const isDead = crashesMax !== undefined && crashes >= crashesMax
      row.claimedBy = null
      row.version = last
      row.attempts = crashes
      if (isDead) {
        row.status = 'dead'
        row.readyAtMs = null
      } else if (heir !== null && crashes < SUSPECT && heir.workflows.includes(row.workflow)) {
        row.claimedBy = heir.nodeId
        row.claimedWithoutLease = !this.#options.hasLease(heir.nodeId)
        row.claimEpoch++
        row.claimToken = heir.token
        row.readyAtMs = null
        claimed.push(asClaimed(row, nowMs))
      } else {
        const waitMs =
          crashesMax === undefined || crashes < SUSPECT ? 0 : CRASH_WAIT_MS * 2 ** (crashes - SUSPECT)
        row.readyAtMs = nowMs + Math.min(waitMs, CRASH_WAIT_MAX_MS)
        rung.push(row.key.partition)
      }
    }
    return { claimed, rung, ended: held.length }
  }

  ringStranded(keys: readonly ExecutionKey[]): number {
    return this.#ring(keys.flatMap(({ executionId }) => this.rows.get(executionId) ?? []))
  }

  sweepStranded(homes: Homes, limit: number): number {
    const wanted = new Set(homes.map(({ partition }) => partition))
    const here = [...this.rows.values()].filter((row) => wanted.has(row.key.partition))
    return this.#ring(here, limit)
  }

  #ring(rows: readonly ModelExecution[], limit = Infinity): number {
    const silent = rows.filter(
      (row) => row.status === 'running' && row.claimedBy === null && row.readyAtMs === null,
    )
    const rung = silent.slice(0, limit)
    for (const row of rung) row.readyAtMs = this.#options.now()
    return rung.length
  }

  read(keys: readonly ExecutionKey[]): (ExecutionRow | null)[] {
    return keys.map(({ executionId }) => {
      const row = this.rows.get(executionId)
      return row === undefined ? null : asRow(row)
    })
  }

  histories(
    wanted: readonly { readonly key: ExecutionKey; readonly from: number }[],
    limit: number,
  ): Event[][] {
    return wanted.map(({ key, from }) => {
      const history = this.rows.get(key.executionId)?.history ?? []
      return history.slice(from - 1, from - 1 + limit)
    })
  }

  takeTimers(homes: Homes, limit: number): number {
    const nowMs = this.#options.now()
    const due = this.#timers(homes)
      .filter(({ dueMs }) => dueMs <= nowMs)
      .sort((a, b) => a.dueMs - b.dueMs)
      .slice(0, limit)
    for (const { row, version } of due) {
      row.timers.delete(version)
      if (CLAIMABLE.has(row.status)) row.readyAtMs = Math.max(row.readyAtMs ?? nowMs, nowMs)
    }
    return due.length
  }

  nextTimer(homes: Homes): number | null {
    const dueMs = this.#timers(homes).reduce((first, timer) => Math.min(first, timer.dueMs), Infinity)
    return dueMs === Infinity ? null : Math.max(0, dueMs - this.#options.now())
  }

  #timers(
    homes: Homes,
  ): { readonly row: ModelExecution; readonly version: number; readonly dueMs: number }[] {
    const wanted = new Set(homes.map(({ partition }) => partition))
    const timers = []
    for (const row of this.rows.values()) {
      if (row.timers.size === 0 || !wanted.has(row.key.partition)) continue
      for (const [version, dueMs] of row.timers) timers.push({ row, version, dueMs })
    }
    return timers
  }

  #write(row: ModelExecution, event: NewEvent, nowMs: number): void {
    const { delayMs, ...rest } = event
    const version = row.history.length + 1
    const dueMs = event.dueAt?.getTime() ?? (delayMs === undefined ? undefined : nowMs + delayMs)
    const at = event.at ?? asDate(nowMs)
    row.history.push({ ...rest, version, at, ...(dueMs === undefined ? {} : { dueAt: asDate(dueMs) }) })
    if (dueMs !== undefined) row.timers.set(version, dueMs)
  }

  #held(nodeId: string): ModelExecution[] {
    const held: ModelExecution[] = []
    for (const row of this.rows.values()) if (row.claimedBy === nodeId) held.push(row)
    return held
  }

  #found(nodeId: string, found: readonly Rung[]): ModelExecution[] {
    return found.flatMap(({ key }) => {
      const row = this.rows.get(key.executionId)
      return row?.claimedBy === nodeId ? [row] : []
    })
  }
}

function isSame(event: NewEvent, stored: Event | undefined): boolean {
  return (
    stored !== undefined &&
    stored.type === event.type &&
    stored.seq === event.seq &&
    stored.name === event.name &&
    stored.attempt === event.attempt &&
    stored.detail === event.detail &&
    stored.payload === event.payload &&
    stored.messageId === event.messageId
  )
}

function asDate(ms: number): Date {
  return new Date(Math.floor(ms))
}

function asRung(row: ModelExecution, atMs: number): Rung {
  return { key: row.key, claimEpoch: row.claimEpoch, inbox: 0, at: asDate(atMs) }
}

function asClaimed(row: ModelExecution, nowMs: number): Claimed {
  const { key, workflow, workflowVersion, version, claimEpoch, attempts } = row
  const one = { run: 1, runVersion: 1, inbox: 0, parent: null }
  return { ...one, key, workflow, workflowVersion, version, claimEpoch, attempts, at: asDate(nowMs) }
}

function asRow(row: ModelExecution): ExecutionRow {
  const { key, workflow, workflowVersion, status, version, claimedBy, claimEpoch, attempts, startId, note } =
    row
  return {
    key,
    workflow,
    workflowVersion,
    status,
    run: 1,
    runVersion: 1,
    version,
    claimedBy,
    claimEpoch,
    readyAt: row.readyAtMs === null ? null : asDate(row.readyAtMs),
    attempts,
    inbox: 0,
    startId,
    parentId: null,
    attributes: null,
    note,
    startedAt: asDate(row.startedAtMs),
    closedAt: row.closedAtMs === null ? null : asDate(row.closedAtMs),
  }
}
