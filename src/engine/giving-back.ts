// Claims that a node gives up without an append: handed back, so that they are claimed and loaded afresh, or set aside
// with the reason. What could not be given back is remembered and tried again, because the lease of a node that lives
// would keep it for ever.

import type { ExecutionKey } from '../core/execution.js'
import type { Logger } from '../core/ports.js'
import type { Commit, CommitOutcome, Store } from '../store/store.js'
import { BLOCKED_RETRY_MS } from './run.js'

export interface Held {
  readonly key: ExecutionKey
  readonly claimEpoch: number
  readonly version: number
  /** The node that holds it, when that is not the present one. */
  readonly nodeId?: string
}

export interface GivingBackOptions {
  readonly store: Store
  readonly log: Logger
  readonly nodeId: () => string
  readonly commit: (commit: Commit) => Promise<CommitOutcome>
  /** Something may be claimed now. */
  readonly onRung: () => void
}

/** How long an execution waits that could not go on because the database could not be reached. */
export const UNAVAILABLE_RETRY_MS = 1_000

type Release = Extract<Commit['transition'], { kind: 'release' }>

export class GivingBack {
  private readonly options: GivingBackOptions
  private readonly strays = new Map<string, { readonly held: Held; readonly release: Release }>()

  constructor(options: GivingBackOptions) {
    this.options = options
  }

  /** As running, to be claimed after `readyInMs`; undefined: as waiting, its doorbell decides. */
  handBack(held: Held, readyInMs: number | undefined): Promise<void> {
    return this.give(
      held,
      readyInMs === undefined
        ? { kind: 'release', status: 'waiting' }
        : { kind: 'release', status: 'running', readyInMs },
    )
  }

  /** What cannot be loaded or written harms nobody else: it is set aside with the reason, and looked at again. */
  setAside(held: Held, error: unknown): Promise<void> {
    const note = error instanceof Error ? error.message : String(error)
    this.options.log.error(
      { err: error, executionId: held.key.executionId },
      'an execution cannot go on here; it is set aside as blocked',
    )
    return this.give(held, { kind: 'release', status: 'blocked', readyInMs: BLOCKED_RETRY_MS, note })
  }

  /** Tries again what could not be given back. */
  retry(): void {
    for (const [id, { held, release }] of Array.from(this.strays)) {
      this.strays.delete(id)
      void this.give(held, release)
    }
  }

  /** The lease is gone, and with it what was held. */
  forget(): void {
    this.strays.clear()
  }

  private async give(held: Held, transition: Release): Promise<void> {
    const { store, commit, onRung, log } = this.options
    const { key, claimEpoch, version } = held
    const nodeId = held.nodeId ?? this.options.nodeId()
    try {
      const outcome = await commit({
        key,
        nodeId,
        claimEpoch,
        expectedVersion: version,
        events: [],
        transition,
      })
      if (outcome.kind === 'lost') await store.ringStranded([key])
      onRung()
    } catch (error) {
      log.warn(
        { err: error, executionId: key.executionId },
        'a claim could not be given back; it is tried again',
      )
      if (nodeId === this.options.nodeId()) this.strays.set(key.executionId, { held, release: transition })
    }
  }
}
