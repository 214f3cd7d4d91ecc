// Who comes and who goes, for any number of watchers: one query a second for all of them, none while nobody watches.
// A watcher that is slow misses nothing that lasts: it is told the difference between what it knew and what is.

import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'
import { clusterNode, type ClusterChange, type ClusterNode } from './cluster.js'

const LOOK_MS = 1_000

export interface ClusterWatchOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
}

type Nodes = ReadonlyMap<string, ClusterNode>

export class ClusterWatch {
  readonly #options: ClusterWatchOptions
  readonly #watchers = new Set<() => void>()
  #nodes: Nodes | undefined
  #loop: Loop | undefined
  #isStopped = false

  constructor(options: ClusterWatchOptions) {
    this.#options = options
  }

  /** Begins with all that are there; ends when the signal aborts or the client closes. */
  async *changes(signal?: AbortSignal): AsyncGenerator<ClusterChange, void, undefined> {
    let known: Nodes = new Map()
    let wake = (): void => undefined
    let isNew = true
    const watcher = (): void => {
      isNew = true
      wake()
    }
    this.#join(watcher)
    signal?.addEventListener('abort', watcher, { once: true })
    try {
      while (!this.#isStopped && signal?.aborted !== true) {
        if (isNew && this.#nodes !== undefined) {
          isNew = false
          const seen: Nodes = this.#nodes
          const changes = difference(known, seen)
          known = seen
          for (const change of changes) yield change
        } else {
          await new Promise<void>((resolve) => (wake = resolve))
        }
      }
    } finally {
      signal?.removeEventListener('abort', watcher)
      await this.#leave(watcher)
    }
  }

  /** All watchers end. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const watcher of this.#watchers) watcher()
    await this.#loop?.stop()
  }

  #join(watcher: () => void): void {
    this.#watchers.add(watcher)
    if (this.#loop !== undefined || this.#isStopped) return
    const { clock, log } = this.#options
    const turn = (): Promise<number> => this.#look()
    this.#loop = new Loop({ name: 'cluster watch', clock, log, turn, afterErrorMs: LOOK_MS })
    this.#loop.start()
  }

  async #leave(watcher: () => void): Promise<void> {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    const loop = this.#loop
    this.#loop = undefined
    this.#nodes = undefined
    await loop?.stop()
  }

  async #look(): Promise<number> {
    const { leases } = await this.#options.store.readCluster()
    const living = leases.filter(({ expired }) => !expired).map(clusterNode)
    this.#nodes = new Map(living.map((node) => [node.nodeId, node]))
    for (const watcher of this.#watchers) watcher()
    return LOOK_MS
  }
}

function difference(before: Nodes, now: Nodes): ClusterChange[] {
  return [
    ...[...before.values()].filter(({ nodeId }) => !now.has(nodeId)).map((node) => change('left', node)),
    ...[...now.values()].filter(({ nodeId }) => !before.has(nodeId)).map((node) => change('joined', node)),
  ]
}

function change(kind: ClusterChange['kind'], node: ClusterNode): ClusterChange {
  return { kind, node }
}
