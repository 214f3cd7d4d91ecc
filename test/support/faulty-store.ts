// A store between an engine and its database that loses what a dying process loses. For one execution: from a chosen
// commit on nothing of it is written any more, or the commit is written and its answer never comes. For all: `die`.
// To the engine both look like a lost claim, upon which it forgets what it had in memory; in the database everything
// stays as the dead left it, claims included.

import { CerebelumError } from '../../src/core/errors.js'
import type { Commit, CommitOutcome, StartOutcome, StartRow, Store } from '../../src/store/store.js'

export interface Append {
  readonly executionId: string
  /** The version that the history has with it. */
  readonly version: number
  /** 0: it only consumes, releases or gives back. */
  readonly events: number
}

/** `before`: this append is refused and the execution dead; `after`: it is written, and then the execution is dead. */
export type Judge = (append: Append) => 'before' | 'after' | undefined

export interface FaultyStore extends Store {
  /** Executions of which nothing is written any more. */
  readonly dead: ReadonlySet<string>
  /** Appends written so far. */
  readonly appends: number
  /** From now on nothing reaches the database, as when the process is killed; `close` still works. */
  die(): void
}

const LOST: CommitOutcome = { kind: 'lost' }

export function faultyStore(inner: Store, judge: Judge): FaultyStore {
  const dead = new Set<string>()
  let isDead = false
  let appends = 0

  /** Whether the append may be written; afterwards it is known to be the last one. */
  const isRefused = (append: Append): boolean => {
    if (!dead.has(append.executionId) && judge(append) === 'before') dead.add(append.executionId)
    return dead.has(append.executionId)
  }
  const endsWith = (append: Append): boolean => {
    appends++
    if (judge(append) === 'after') dead.add(append.executionId)
    return dead.has(append.executionId)
  }

  const faulty: Partial<Store> = {
    async commit(commits) {
      const kept = commits.filter((commit) => !isRefused(appendOf(commit)))
      const outcomes = kept.length === 0 ? [] : await inner.commit(kept)
      const byCommit = new Map(kept.map((commit, index) => [commit, outcomes[index] ?? LOST]))
      return commits.map((commit) => {
        const outcome = byCommit.get(commit) ?? LOST
        return outcome.kind === 'committed' && endsWith(appendOf(commit)) ? LOST : outcome
      })
    },
    async insertExecutions(starts) {
      const kept = starts.filter((start) => !isOrphan(start, dead))
      const outcomes = kept.length === 0 ? [] : await inner.insertExecutions(kept)
      const byStart = new Map(kept.map((start, index) => [start, outcomes[index]]))
      return starts.map((start): StartOutcome => {
        const outcome = byStart.get(start)
        if (outcome === undefined) return { kind: 'created', at: new Date(0), claimed: false }
        const { executionId } = start.key
        const isLast = outcome.kind === 'created' && endsWith({ executionId, version: 1, events: 1 })
        return isLast ? { ...outcome, claimed: false } : outcome
      })
    },
    async transact(options) {
      const { executionId } = options.key
      let append: Append = { executionId, version: 0, events: 1 }
      const lock = async (): Promise<number> => {
        const version = await options.lock()
        append = { executionId, version: version + 1, events: 1 }
        if (isRefused(append)) throw unavailable('transact')
        return version
      }
      const transacted = await inner.transact({ ...options, lock })
      const isLast = transacted.outcome.kind === 'committed' && endsWith(append)
      return isLast ? { ...transacted, outcome: LOST } : transacted
    },
    ringStranded: (keys) => inner.ringStranded(keys.filter(({ executionId }) => !dead.has(executionId))),
  }

  return new Proxy<FaultyStore>(
    Object.assign({}, inner, faulty, { dead, appends, die: () => (isDead = true) }),
    {
      get(target, name, receiver) {
        if (name === 'appends') return appends
        const member: unknown = Reflect.get(target, name, receiver)
        if (!isDead || typeof member !== 'function' || ALIVE.has(name)) return member
        return () => Promise.reject(unavailable(String(name)))
      },
    },
  )
}

/** What does not go to the database, or must end even so. */
const ALIVE: ReadonlySet<string | symbol> = new Set(['close', 'keyOf', 'die'])

function appendOf(commit: Commit): Append {
  const events = commit.events.length
  return { executionId: commit.key.executionId, version: commit.expectedVersion + events, events }
}

/** A child that a dead parent would start. */
function isOrphan(start: StartRow, dead: ReadonlySet<string>): boolean {
  return start.parent !== undefined && dead.has(start.parent.key.executionId)
}

function unavailable(call: string): CerebelumError {
  return new CerebelumError('DATABASE_UNAVAILABLE', `The test let ${call} fail. Nothing is to be done.`)
}
