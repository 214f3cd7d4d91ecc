// Who comes and who goes, for any number of watchers. One that is slow misses nothing that lasts: it is told the difference
// between what it knew and what is.

import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'
import { clusterNode, type ClusterChange, type ClusterNode } from './cluster.js'
import { SharedLook } from './shared-look.js'

const LOOK_MS = 1_000

export interface ClusterWatchOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
}

type Nodes = ReadonlyMap<string, ClusterNode>

export class ClusterWatch {
  readonly #look: SharedLook<Nodes>

  constructor({ store, clock, log }: ClusterWatchOptions) {
    this.#look = new SharedLook({
      name: 'cluster watch',
      clock,
      log,
      everyMs: LOOK_MS,
      async look() {
        const { leases } = await store.readCluster()
        const living = leases.filter(({ expired }) => !expired).map(clusterNode)
        return new Map(living.map((node) => [node.nodeId, node]))
      },
    })
  }

  /** Begins with all that are there; ends when the signal aborts or the client closes. */
  async *changes(signal?: AbortSignal): AsyncGenerator<ClusterChange, void, undefined> {
    let known: Nodes = new Map()
    for await (const seen of this.#look.values(signal)) {
      const changes = difference(known, seen)
      known = seen
      for (const change of changes) yield change
    }
  }

  /** All watchers end. */
  stop(): Promise<void> {
    return this.#look.stop()
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
