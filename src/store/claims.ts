// `Store.claim` and `Store.takeRung` with the loss of an answer thought through: a claim that took effect without
// the node knowing would leave executions lying for as long as the node lives. Starts that claim are claims too.

import { randomFraction } from '../core/ports.js'
import { claimShares } from './claim-shares.js'
import { claimReady, clearRung, findRung, readByToken, readHeld } from './claim.js'
import { sortFailure } from './failures.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Home } from './rows.js'
import type { Claimed, ClaimRequest, Rung, TakenOver, TakeOverRequest } from './store.js'
import type { Database } from './tables.js'
import { takeOver } from './take-over.js'

/** A claim whose answer was lost. It may even take effect later: its statement may still be under way. */
interface LostClaim {
  readonly nodeId: string
  readonly token: number
  readonly untilMs: number
  /** Ids and epochs handed out since, so that none is handed out twice. */
  readonly found: Set<string>
}

export class Claims {
  readonly #database: Database
  readonly #policy: RetryPolicy
  readonly #home: Home
  readonly #doubtMs: number
  readonly #onRung: (partitions: ReadonlySet<number>) => void
  #lost: LostClaim[] = []

  /** `doubtMs`: how long a statement may go on without us, that is its time-out and a margin. */
  constructor(options: {
    database: Database
    policy: RetryPolicy
    home: Home
    doubtMs: number
    onRung: (partitions: ReadonlySet<number>) => void
  }) {
    this.#database = options.database
    this.#policy = options.policy
    this.#home = options.home
    this.#doubtMs = options.doubtMs
    this.#onRung = options.onRung
  }

  claim(request: ClaimRequest): Promise<Claimed[]> {
    if (request.partitions.length === 0 || request.workflows.length === 0) return Promise.resolve([])
    return withRetry(this.#policy, 'claim', async () => {
      const begunMs = this.#policy.clock.monotonicMs()
      const recovered = await this.#recover(request.nodeId)
      if (recovered.length >= request.limit) return recovered
      const token = newToken()
      try {
        const limit = request.limit - recovered.length
        const take = request.isCrowded === true ? claimShares : claimReady
        const taken = await take(this.#database, { ...request, limit, token }, this.#home)
        this.#lookedFor(request.nodeId, begunMs)
        return [...recovered, ...taken]
      } catch (error) {
        this.#forget(recovered)
        if (sortFailure(error) === 'unknown') this.suspect(request.nodeId, token)
        throw error
      }
    })
  }

  /** The same of what the dead held; what the heir does not take rings. */
  async takeOver({ dead, heir, crashesMax, limit }: TakeOverRequest): Promise<TakenOver> {
    if (dead.length === 0) return { claimed: [], ended: 0 }
    return withRetry(this.#policy, 'takeOver', async ({ doubtful }) => {
      const recovered = heir === null ? [] : await this.#recover(heir.nodeId)
      const token = newToken()
      try {
        const estate = { nodeIds: dead, crashesMax, limit, heir: heir === null ? null : { ...heir, token } }
        const { claimed, rung, ended } = await takeOver(this.#database, estate, this.#home)
        this.#onRung(rung)
        // What a lost answer ended is not known: something, to be looked after.
        return { claimed: [...recovered, ...claimed], ended: doubtful ? Math.max(ended, 1) : ended }
      } catch (error) {
        this.#forget(recovered)
        if (heir !== null && sortFailure(error) === 'unknown') this.suspect(heir.nodeId, token)
        throw error
      }
    })
  }

  /** What lost claims of this node took. */
  async #recover(nodeId: string): Promise<Claimed[]> {
    const lost = this.#lost.filter((entry) => entry.nodeId === nodeId)
    if (lost.length === 0) return []
    const tokens = lost.map((entry) => entry.token)
    const rows = await readByToken(this.#database, { nodeId, tokens }, this.#home)
    return rows.filter((row) => {
      const mark = markOf(row)
      if (lost.some((entry) => entry.found.has(mark))) return false
      for (const entry of lost) entry.found.add(mark)
      return true
    })
  }

  /** The doubt is over when somebody has looked after it was: the database may have been away for longer. */
  #lookedFor(nodeId: string, begunMs: number): void {
    this.#lost = this.#lost.filter((entry) => entry.nodeId !== nodeId || entry.untilMs > begunMs)
  }

  /** Something may have been claimed with this token that nobody was told of: the next claim looks for it. */
  suspect(nodeId: string, token: number): void {
    const untilMs = this.#policy.clock.monotonicMs() + this.#doubtMs
    this.#lost.push({ nodeId, token, untilMs, found: new Set() })
    // What is left out here is found by upkeep, as what this node holds and does not run.
    if (this.#lost.length > LOST_MAX) this.#lost.shift()
  }

  /** The ids of what this token claimed and nothing has happened to since. */
  async readFresh(nodeIds: readonly string[], token: number): Promise<ReadonlySet<string>> {
    const fresh = new Set<string>()
    for (const nodeId of nodeIds) {
      const rows = await readByToken(this.#database, { nodeId, tokens: [token] }, this.#home)
      for (const row of rows) if (row.version === row.runVersion) fresh.add(row.key.executionId)
    }
    return fresh
  }

  /** What was recovered, but could not be handed out because the rest failed. */
  #forget(recovered: readonly Claimed[]): void {
    for (const row of recovered) for (const lost of this.#lost) lost.found.delete(markOf(row))
  }

  /** Finds first and clears then, so that an idle poll writes nothing and a lost answer loses no doorbell. */
  async takeRung(nodeId: string, limit: number, isWanted: (rung: Rung) => boolean): Promise<Rung[]> {
    const rung = await withRetry(this.#policy, 'takeRung', () => findRung(this.#database, nodeId, limit))
    const found = rung.filter(isWanted)
    if (found.length === 0) return []
    return withRetry(this.#policy, 'takeRung', async ({ doubtful }) => {
      const cleared = await clearRung(this.#database, nodeId, found)
      return doubtful ? await readHeld(this.#database, nodeId, found) : cleared
    })
  }
}

export function newToken(): number {
  return Math.floor(randomFraction() * TOKENS)
}

function markOf(row: Claimed): string {
  return `${row.claimEpoch} ${row.key.executionId}`
}

const LOST_MAX = 1_000
const TOKENS = 2 ** 31
